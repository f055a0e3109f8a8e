# Almanac: everything starts here. Needs Python 3.11 to 3.13 and make; the rest is installed into .venv.

SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV_VERSION := 0.13.8
UV := $(BIN)/uv
COMPILE := $(UV) pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --quiet
# Every process that Almanac starts imports MLflow or Airflow: without bytecode each compiles thousands of files anew,
# which takes two thirds of its start.
export UV_COMPILE_BYTECODE := 1
unexport PYTHONDONTWRITEBYTECODE
# Two processes a core: tests wait for servers and processes for nearly half of their time (other numbers: WORKERS=3).
# What one folder's fixtures share stays in one process (tests/conftest.py).
WORKERS ?= $(shell echo $$((2 * $$(nproc))))
ON_ALL_CORES := -n $(WORKERS) --no-loadscope-reorder --durations=10
# Databases wait for a disk at each commit: where shared memory has eight gigabytes left, the files of tests lie there.
IN_MEMORY := $(shell [ "$$(df --output=avail -k /dev/shm 2>/dev/null | tail -1)" -gt 8388608 ] 2>/dev/null && echo TMPDIR=/dev/shm)
# A test with dozens of deaths in it may take more than an hour.
PATIENTLY := -o faulthandler_timeout=9000
# Of pyproject.toml; tasks in pods have a lock of their own.
EXTRAS := s3 azure postgres smtp apprise http celery fab server serve bayesian openlineage xgboost
RUNTIME := $(VENV)/.installed
DEVELOPMENT := $(VENV)/.installed-dev

.DEFAULT_GOAL := help
.PHONY: help servers demo demo-all demo-celery demo-containers env test test-all test-containers test-faults test-mutants up down status docs lint audit lock setup wheel

help:  ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(RUNTIME)  ## Play the main story on this machine, from a landed file to a guarded champion (KEEP=1: and let it run)
	@./almanac demo $(if $(KEEP),--keep)

demo-all: $(RUNTIME)  ## Play all of it: also kills, events, windows, repairs, rollback, backups, restores
	@./almanac demo --all

demo-celery: $(RUNTIME)  ## Play it on PostgreSQL, Redis and two Celery workers, as docker-compose.yaml declares them
	@$(PYTHON) demo/native/debian.py postgresql redis-server
	@./almanac demo --celery

demo-containers: $(RUNTIME)  ## Play it in containers: images from Debian, docker-compose.yaml by podman (root, Debian)
	@./almanac demo --containers

env: $(RUNTIME)  ## Write .env, the random secrets of docker-compose.yaml
	@./almanac env

# The tests start servers of their own from programs of Debian, which root gets installed; anybody else is told which
# packages to install, and tests that lack one are skipped. Azurite comes from npm into .venv, once.
servers: $(DEVELOPMENT)
	@$(PYTHON) demo/native/debian.py postgresql redis-server nodejs npm zstd restic
	@$(BIN)/python -m tests.servers.azure

test: $(DEVELOPMENT) servers  ## Run all the tests
	@$(IN_MEMORY) $(BIN)/pytest $(ON_ALL_CORES) -o tmp_path_retention_policy=failed

test-faults: $(DEVELOPMENT) servers  ## Kill real processes, fill and take away disks: nothing may be lost or doubled
	@$(BIN)/pytest $(PATIENTLY) -m "" tests/faults

test-containers: $(DEVELOPMENT)  ## Start docker-compose.yaml in containers and break them (root and Debian, else skipped)
	@$(BIN)/pytest $(PATIENTLY) -m "" -rs tests/containers

test-all: $(DEVELOPMENT) servers  ## Run all the tests, the slow ones too (a known answer that takes a minute alone)
	@HYPOTHESIS_PROFILE=thorough $(BIN)/pytest $(ON_ALL_CORES) $(PATIENTLY) -m '' --ignore tests/faults --ignore tests/containers
	@$(MAKE) --no-print-directory test-faults
	@$(MAKE) --no-print-directory test-containers
	@$(MAKE) --no-print-directory test-mutants

test-mutants: $(DEVELOPMENT) servers  ## Break guards one line at a time: a test must fail (two hours at most)
	@# Bytecode is known by its file's size and second: a line that is changed and put back within one would stay changed.
	@PYTHONDONTWRITEBYTECODE=1 HYPOTHESIS_PROFILE=thorough nice -n 15 $(BIN)/python tools/mutants.py --minutes 120

up: $(RUNTIME)  ## Start Airflow and MLflow on this machine, a new home with made-up weather; harmless when they are up
	@./almanac up --sample

down: $(RUNTIME)  ## Stop them
	@./almanac down

status: $(RUNTIME)  ## Say which of them run
	@./almanac status

lint: $(DEVELOPMENT)  ## Check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(DEVELOPMENT)  ## Build the documentation as a site, into site/; fails on a link that leads nowhere
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet

audit: $(DEVELOPMENT)  ## List licences and known vulnerabilities of the locked packages
	@$(BIN)/python tools/audit.py

lock: $(UV)  ## Write down the versions that requirements*.in ask for, with their hashes
	$(COMPILE) pyproject.toml $(addprefix --extra ,$(EXTRAS)) requirements.in -o requirements.txt
	$(COMPILE) requirements-dev.in -o requirements-dev.txt
	$(COMPILE) requirements-bench.in -o requirements-bench.txt
	$(COMPILE) requirements-kubernetes.in -o requirements-kubernetes.txt

wheel: $(RUNTIME)  ## Build the wheel into dist/, for an Airflow that is there already
	@$(BIN)/python -m hatchling build --target wheel --directory dist

setup: $(RUNTIME)  ## Install what the product needs into .venv

$(UV):
	@$(PYTHON) include/almanac/services/preflight.py
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

# The packages of this repository are installed editable: what is imported are its folders.
$(RUNTIME): requirements.txt pyproject.toml | $(UV)
	@$(PYTHON) include/almanac/services/preflight.py
	@$(UV) pip install --python $(BIN)/python --require-hashes -r requirements.txt
	@$(UV) pip install --python $(BIN)/python --quiet --no-deps --no-build-isolation --editable .
	@touch $@

$(DEVELOPMENT): requirements-dev.txt $(RUNTIME)
	@$(UV) pip install --python $(BIN)/python --require-hashes -r requirements-dev.txt
	@touch $@
