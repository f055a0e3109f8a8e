# One image for every service of docker-compose.yaml: what runs differs only in its command and its environment.
FROM python:3.11-slim-bookworm AS packages
RUN pip install --no-cache-dir uv==0.13.8
# Another lock beside the first: requirements-kubernetes.txt where tasks are pods.
ARG MORE=requirements.txt
COPY requirements.txt $MORE ./
# The locks with their hashes, as on a single machine.
RUN python -m venv /opt/venv \
    && uv pip install --no-cache --python /opt/venv/bin/python --require-hashes -r requirements.txt -r "$MORE"

FROM python:3.11-slim-bookworm
# libgomp: scikit-learn and onnxruntime; libpq is inside the PostgreSQL driver; pg_dump and pg_restore: backups.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libgomp1 postgresql-client \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 50000 --gid 0 --home-dir /var/lib/almanac --create-home almanac \
    && install --directory --owner almanac --group 0 --mode 0770 /var/lib/almanac
COPY --from=packages /opt/venv /opt/venv
WORKDIR /opt/almanac
COPY . .
ENV PATH=/opt/venv/bin:$PATH
USER 50000
