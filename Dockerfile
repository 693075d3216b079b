# Two images from one file: `pulso` runs any of the Python processes, `web` is nginx with the browser's files.

FROM node:22-slim AS browser-libraries
WORKDIR /build
COPY frontend/package.json frontend/package-lock.json ./
RUN npm ci --ignore-scripts --omit=dev --no-audit --no-fund
COPY frontend/ ./
RUN node vendor.mjs


FROM python:3.11-slim AS python-libraries
COPY requirements/runtime.txt /build/
# Only wheels whose hashes are in the lock file: nothing is compiled, and no package's own code runs here.
RUN python -m venv /venv \
    && /venv/bin/pip install --no-cache-dir --no-deps --only-binary :all: --require-hashes -r /build/runtime.txt \
    && /venv/bin/pip uninstall --yes pip setuptools


FROM python:3.11-slim AS pulso
ENV PATH=/venv/bin:$PATH \
    PYTHONPATH=/app \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOME=/tmp
# A new volume takes over the owner of the folder that it is mounted on: so no process ever needs to be root.
RUN install -d -o 10001 -g 10001 -m 0750 \
        /data /uploads /redis-data /run/secrets /run/secrets/auth /run/secrets/redis \
        /run/secrets/redis/server /run/secrets/redis/cli \
    && printf '#!/bin/sh\nexec python -m cli "$@"\n' >/usr/local/bin/pulso \
    && chmod 0755 /usr/local/bin/pulso
WORKDIR /app
COPY --from=python-libraries /venv /venv
COPY deploy/make-secrets deploy/
COPY pulso/ pulso/
COPY services/ services/
COPY cli/ cli/
COPY frontend/ frontend/
COPY --from=browser-libraries /build/static/ frontend/static/
# The root is read-only when it runs: bytecode is made now or never. Each service is a user of Redis.
RUN python -m compileall -q /app /venv/lib \
    && for service in services/*/__main__.py; do \
        install -d -o 10001 -g 10001 -m 0750 "/run/secrets/redis/$(basename "$(dirname "$service")")"; \
    done
USER 10001:10001
CMD ["pulso", "--help"]


FROM nginx:1.31-alpine AS web
COPY nginx.conf /etc/nginx/nginx.conf
COPY deploy/start-nginx /usr/local/bin/
COPY --from=browser-libraries /build/static/ /srv/assets/
USER 10001:10001
EXPOSE 8080
STOPSIGNAL SIGQUIT
ENTRYPOINT []
CMD ["start-nginx"]
