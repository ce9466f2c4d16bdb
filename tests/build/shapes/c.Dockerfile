# A program in C whose compiler stays behind; `heavy` is what many packages and owners come to.
FROM debian:12 AS lists
RUN apt-get update

FROM lists AS tools
RUN DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends build-essential cron

FROM tools AS heavy
RUN useradd --system --create-home --home-dir /srv/app app \
    && install -d -o app -g www-data -m 2750 /srv/app/data \
    && install -o app -g adm -m 640 /etc/hostname /srv/app/data/file \
    && mkdir -p /var/www/html \
    && touch /var/www/html/index.html \
    && ln -s index.html /var/www/html/link \
    && chown -R www-data:www-data /var/www
RUN dpkg-query -W | wc -l > /count && dpkg --audit > /audit

FROM tools AS made
WORKDIR /src
COPY main.c Makefile ./
RUN make

FROM scratch
COPY --from=made /src/hello /hello
ENTRYPOINT ["/hello"]
