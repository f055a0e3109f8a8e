# One image for every service of docker-compose.yaml: what runs differs only in its command and its environment.
# To pin: --build-arg BASE=python:3.11-slim-bookworm@sha256:...  (docs/production.md, Images by digest)
ARG BASE=python:3.11-slim-bookworm
FROM ${BASE} AS packages
RUN pip install --no-cache-dir uv==0.13.8
# Another lock beside the first: requirements-kubernetes.txt where tasks are pods.
ARG MORE=requirements.txt
COPY requirements.txt $MORE ./
# The locks with their hashes, as on a single machine. Compiled here: the root of a container is read-only, so that
# every start would compile all of it again.
RUN python -m venv /opt/venv \
    && uv pip install --no-cache --compile-bytecode --python /opt/venv/bin/python --require-hashes \
       -r requirements.txt -r "$MORE"

FROM ${BASE}
# libgomp: scikit-learn and onnxruntime; libpq is inside the PostgreSQL driver; pg_dump and pg_restore: backups.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libgomp1 postgresql-client \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --gid 50000 almanac \
    && useradd --uid 50000 --gid 50000 --home-dir /var/lib/almanac --create-home almanac \
    && install --directory --owner almanac --group almanac --mode 0770 /var/lib/almanac \
    && install --directory /opt/almanac \
    && ln --symbolic /opt/venv /opt/almanac/.venv
COPY --from=packages /opt/venv /opt/venv
WORKDIR /opt/almanac
COPY . .
# Our own packages, from this folder; what they need is there.
RUN /opt/venv/bin/python -m pip install --quiet --no-index --no-deps --no-build-isolation --editable .
ENV PATH=/opt/venv/bin:$PATH
USER 50000:50000
