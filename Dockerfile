# syntax=docker/dockerfile:1

FROM python:3.11-slim-bookworm AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/venv
COPY requirements/production.txt /tmp/requirements.txt
RUN /opt/venv/bin/pip install --require-hashes --no-deps -r /tmp/requirements.txt
WORKDIR /app
COPY manage.py pyproject.toml ./
COPY config config
COPY campaigns campaigns
COPY outreach outreach
COPY templates templates
COPY static static
# collectstatic reads no secret and no database; the production settings only want their names to exist.
RUN SECRET_KEY=build DESTINATION_HASH_KEY=build DATABASE_URL=postgresql://build/build REDIS_URL=redis://build \
    PUBLIC_BASE_URL=https://build ALLOWED_HOSTS=build DJANGO_SETTINGS_MODULE=config.settings.production \
    /opt/venv/bin/python manage.py collectstatic --noinput

FROM python:3.11-slim-bookworm
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    DJANGO_SETTINGS_MODULE=config.settings.production
RUN groupadd --system --gid 10001 app && useradd --system --uid 10001 --gid app --home-dir /app app \
    && install -d -o app -g app /data
COPY --from=build /opt/venv /opt/venv
COPY --from=build /app /app
WORKDIR /app
USER app
# Uploaded files and the journal of oppositions: keep this volume, it is replayed after a restore of the database.
VOLUME /data
ENV FILES_DIR=/data/files OPPOSITION_JOURNAL=/data/oppositions.jsonl SENDING_JOURNAL=/data/sending.jsonl
EXPOSE 8000
CMD ["gunicorn", "config.wsgi", "--workers", "2", "--threads", "4", "--bind", "0.0.0.0:8000", "--worker-tmp-dir", "/dev/shm"]
