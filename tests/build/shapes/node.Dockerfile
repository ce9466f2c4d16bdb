# An application in Node, with the user and the order of steps that Node's own images recommend.
FROM debian:12 AS lists
RUN apt-get update

FROM lists
RUN DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends nodejs \
    && groupadd --gid 1000 node \
    && useradd --uid 1000 --gid node --shell /bin/bash --create-home node
# Debian's npm brings 380 packages.
ADD --unpack --checksum=sha256:5cd1e5ab971ea6333f910bc2d50700167c5ef4e66da279b2a3efc874c6b116e4 \
    https://registry.npmjs.org/npm/-/npm-10.9.2.tgz /opt/npm/
RUN chmod +x /opt/npm/package/bin/npm-cli.js \
    && ln -s /opt/npm/package/bin/npm-cli.js /usr/local/bin/npm \
    && mkdir /app && chown node:node /app
WORKDIR /app
USER node
COPY --chown=node:node package*.json ./
RUN --mount=type=secret,id=ca,uid=1000 --mount=type=cache,target=/home/node/.npm,uid=1000,gid=1000 \
    NODE_EXTRA_CA_CERTS=/run/secrets/ca npm install --no-audit --no-fund
COPY --chown=node:node . .
ENV NODE_ENV=production
CMD ["node", "index.js"]
