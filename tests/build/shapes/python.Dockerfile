# A web application by apt and pip.
FROM debian:12 AS lists
RUN apt-get update

FROM lists
RUN DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends python3 python3-venv
WORKDIR /app
RUN python3 -m venv /venv
COPY requirements.txt .
ARG PIP_INDEX_URL
RUN --mount=type=secret,id=ca --mount=type=cache,target=/root/.cache/pip \
    PIP_CERT=/run/secrets/ca /venv/bin/pip install -r requirements.txt
RUN useradd --create-home web
COPY --chown=web:web app.py .
USER web
EXPOSE 8000
CMD ["/venv/bin/python", "-u", "app.py"]
