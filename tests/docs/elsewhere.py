"""Command lines that no scene plays: another test does, because it has what the line needs; or nothing here can."""

from collections.abc import Iterator

from tests.docs.command_lines import CommandLine
from tests.docs.scenes import Elsewhere

_WHOLE = "the whole story, or the whole suite: it is no part of itself"
_INSTALLS = "installs into .venv; every `make` of the suite begins with it"
_ENGINE = "needs a container engine or a cluster; the file that it reads is held to its schema and to the settings here"
_STORE = "needs an object store; a real server of that interface takes its place in"
_BENCH = "a benchmark of minutes or hours; its figures are dated. That its options exist is checked in"
_FOREIGN = "no program of ours: it asks the machine"
_THEIRS = "is for another project's Airflow, where a test installs the wheel"
_ASKED = "needs a run that waits for a person; such a run is answered by this request in"


def _lines(page: str, section: str, why: str, test: str, *texts: str) -> Iterator[Elsewhere]:
    yield from (Elsewhere(CommandLine(page, section, text), why, test) for text in texts)


ELSEWHERE = (
    *_lines(
        "README.md", "Two commands", _WHOLE, "Makefile",
        "make demo", "make test", "make test-all", "make test-faults",
    ),
    *_lines("README.md", "Two commands", "the same line is played in 'Keep it running'",
            "tests/docs/plays_services.py", "make up"),
    *_lines("README.md", "Keep it running", _WHOLE, "Makefile", "make demo-celery"),
    *_lines("docs/add-a-model.md", "In a quarter of an hour, from a file", _INSTALLS, "Makefile", "make setup"),
    *_lines("docs/add-a-model.md", "Step by step", "tries one's own file; made-up ones are tried by it in",
            "tests/draft/test_check.py", "./almanac check <name> FILE"),
    *_lines("docs/add-a-model.md", "Scoring", _BENCH, "tests/docs/test_benchmarks.py", "python -m bench.score"),
    *_lines(
        "docs/backup-format.md", "Speed", _BENCH, "tests/docs/test_benchmarks.py", "python -m bench.backup --gib 2"
    ),
    *_lines(
        "docs/data-checks.md", "Speed and memory", _BENCH, "tests/docs/test_benchmarks.py",
        "python bench/ingest.py <folder> 5 20",
    ),
    *_lines(
        "docs/into-your-airflow.md", "Install", _THEIRS, "tests/packaging/test_other_project.py",
        "make wheel", "pip install dist/almanac-0.2.0-py3-none-any.whl",
        "pip install 'dist/almanac-0.2.0-py3-none-any.whl[s3,postgres]'",
    ),
    *_lines(
        "docs/into-your-airflow.md", "Tell it where things are",
        "needs workers of Celery or FAB's user manager; what DAGs ask of them is held by",
        "tests/plugins/access/test_access.py",
        "airflow pools set NAME SLOTS TEXT", "airflow celery worker --queues default,heavy,maintenance",
        'airflow roles create Approver "Data engineer"',
    ),
    *_lines(
        "docs/into-your-airflow.md", "Show Airflow the DAGs", _THEIRS, "tests/packaging/test_other_project.py",
        "airflow plugins", "airflow providers list",
    ),
    *_lines(
        "docs/into-your-airflow.md", "Declare a model", _THEIRS, "tests/packaging/test_other_project.py",
        "almanac draft bikes rentals.csv --label rented --horizon 4h", "almanac config show bikes",
    ),
    *_lines(
        "docs/into-your-airflow.md", "What it leaves alone", _FOREIGN, "tests/cleanup/test_airflow_rows.py",
        "airflow db clean",
    ),
    *_lines(
        "docs/into-your-airflow.md", "How to remove it", _FOREIGN, "tests/packaging/test_other_project.py",
        "airflow dags delete DAG_ID",
    ),
    *_lines(
        "docs/monitoring.md", "Measured", _BENCH, "tests/docs/test_benchmarks.py",
        "python -m bench.drift_policy --repetitions 200",
        "python -m bench.drift --rows 100000 --evidently <python>",
        "python -m bench.drift_policy --repetitions 200 --rows 1000 --rows 10000 --evidently <python>",
        "python -m bench.drift --rows 100000 --rows 1000000 --evidently <python>",
        "python -m bench.quiet_year --seeds 10",
    ),
    *_lines(
        "docs/monitoring.md", "Dependent rows", _BENCH, "tests/docs/test_benchmarks.py",
        "python -m bench.dependent_series --repetitions 12 --years 0.15",
        "python -m bench.dependent_series --repetitions 12 --years 2",
    ),
    *_lines(
        "docs/object-storage.md", "Object storage: S3 and Azure Blob", _STORE, "tests/dags/test_object_storage.py",
        "export ALMANAC_LANDING=s3://port-data/landing",
        "export ALMANAC_DATASETS=s3://port-data/datasets",
        "export ALMANAC_QUARANTINE=s3://port-data/quarantine",
        "export ALMANAC_PREDICTIONS=s3://port-data/predictions",
        "export ALMANAC_REPORTS=s3://port-data/reports",
    ),
    *_lines(
        "docs/object-storage.md", "The connection almanac_storage", _STORE, "tests/dags/test_object_storage.py",
        """export AIRFLOW_CONN_ALMANAC_STORAGE='{"conn_type": "generic", "login": "...", "password": "...", "extra": {"region_name": "eu-north-1", "endpoint_url": "https://s3.port.example"}}'""",  # noqa: E501
        "./almanac up --pass AIRFLOW_CONN_ALMANAC_STORAGE",
    ),
    *_lines(
        "docs/object-storage.md", "When something is wrong", _FOREIGN, "tests/contracts/test_files.py",
        "aws s3api delete-object --bucket ... --key 'landing/weather//b.csv'",
    ),
    *_lines(
        "docs/operations.md", "The monitor asks a person (monitor_<model> / a_person_decides.ask)", _ASKED,
        "tests/e2e/test_monitor.py",
        """PATCH /api/v2/dags/monitor_<model>/dagRuns/<run>/taskInstances/a_person_decides.ask/-1/hitlDetails {"chosen_options": ["Ask for a retrain"], "params_input": {"why": "..."}}""",  # noqa: E501
    ),
    *_lines(
        "docs/operations.md", "A promotion waits for an answer (train_<model> or promote_<model> / approve)", _ASKED,
        "demo/promotion_steps.py",
        """PATCH /api/v2/dags/train_<model>/dagRuns/<run>/taskInstances/approve/-1/hitlDetails {"chosen_options": ["Approve"], "params_input": {"why": "..."}}""",  # noqa: E501
    ),
    *_lines(
        "docs/operations.md", "A process was killed, or the machine went down", _FOREIGN, "tests/e2e/test_services.py",
        "dmesg | grep -i killed",
    ),
    *_lines(
        "docs/operations.md", "A service is down", _ENGINE, "tests/services/test_compose.py",
        "docker compose ps", "docker compose logs --tail 100 SERVICE", "docker compose up --detach scheduler",
        "docker compose ps worker", "docker compose ps maintenance",
    ),
    *_lines("docs/operations.md", "A service is down", "needs services that hang or whose supervisor was killed",
            "tests/e2e/test_hung_services.py", "./almanac up", "./almanac down"),
    *_lines("docs/operations.md", "A service hangs", "needs services whose supervisor was killed",
            "tests/e2e/test_hung_services.py", "./almanac up"),
    *_lines("docs/operations.md", "A database is damaged",
            "not played yet: needs services, and a damaged home beside them; that it does not start on one is asked in",
            "tests/services/test_damaged_databases.py", "./almanac up"),
    *_lines("docs/operations.md", "Old records are deleted (cleanup)", _WHOLE, "Makefile", "make test-all"),
    *_lines("docs/operations.md", "A drill has failed (restore_drill is red)",
            "the same line is played in 'The machine is lost'", "tests/docs/plays_services.py",
            "./almanac drill --disaster"),
    *_lines("docs/operations.md", "What the stack has survived", _WHOLE, "Makefile", "make test-faults"),
    *_lines(
        "docs/operations.md", "How it grows", _BENCH, "tests/docs/test_benchmarks.py",
        "python -m bench.scale parse --models 1 10 100 300 --dag-factory ...",
    ),
    *_lines(
        "docs/operations.md", "What Airflow adds to a training", _BENCH, "tests/docs/test_benchmarks.py",
        "python -m bench.train [--celery]",
    ),
    *_lines(
        "docs/operations.md", "What more workers give", _BENCH, "tests/docs/test_benchmarks.py",
        "python -m bench.workers",
    ),
    *_lines(
        "docs/operations.md", "From a file's landing to its rows in the journal", _BENCH,
        "tests/docs/test_benchmarks.py",
        "python -m bench.scale latency --files-per-minute 1 10 100 --minutes 1", "python -m bench.scale api",
        "python -m bench.scale scheduler --models 1 10 100",
    ),
    *_lines(
        "docs/operations.md", "From a file's landing to its rows in the journal", _WHOLE, "Makefile", "make demo"
    ),
    *_lines("docs/operations.md", "The machine is lost", _INSTALLS, "Makefile", "make setup"),
    *_lines("docs/upgrading.md", "Upgrade an installation", "needs an installation of the release before, which is in",
            "tests/upgrade/test_upgrade_services.py",
            "./almanac down", "git pull", "make setup", "./almanac up", "./almanac doctor"),
    *_lines("docs/upgrading.md", "Upgrade an installation", _ENGINE, "tests/services/test_compose.py",
            "docker compose build", "docker compose up --detach"),
    *_lines("docs/upgrading.md", "Upgrade an installation", "needs an installation of the release before, which is in",
            "tests/upgrade/test_upgrade.py", "./almanac journal upgrade --without-backup"),
    *_lines("docs/upgrading.md", "Go back to an older version",
            "needs the code of the release before; that the snapshot holds its tables is asked in",
            "tests/upgrade/test_upgrade.py", "./almanac list database/journal", "./almanac down",
            "./almanac restore database/journal@20261130T033000Z --live --replace", "./almanac up"),
    *_lines(
        "docs/production.md", "Production", "writes .env beside docker-compose.yaml, once and for all; the same into"
        " another file is asked in", "tests/services/test_env_file.py", "make env",
    ),
    *_lines(
        "docs/production.md", "Production", _ENGINE, "tests/services/test_compose.py",
        "docker compose build", "docker compose up --detach", "docker compose up --detach --scale worker=4",
        "docker compose --profile heavy up --detach",
    ),
    *_lines("docs/production.md", "Production", _WHOLE, "Makefile", "make demo-celery", "make test-all"),
    *_lines(
        "docs/production.md", "What each service is for", "becomes a service of a container; it is started in",
        "tests/services/watch/test_guard.py", "python -m almanac.services.watch.guard NAME",
    ),
    *_lines(
        "docs/production.md", "What a container may do, and what it holds", _ENGINE,
        "tests/containers/test_containers.py",
        "docker compose exec maintenance ./almanac backup",
        "docker compose stop api-server scheduler dag-processor triggerer worker maintenance",
        "docker compose run --rm restore ./almanac restore group/all --live",
        "docker compose down", "docker compose build", "docker compose up --detach",
        "docker buildx imagetools inspect postgres:15",
    ),
    *_lines(
        "docs/production.md", "What a container may do, and what it holds",
        "writes .env beside docker-compose.yaml; that it adds what lacks and leaves the rest is asked in",
        "tests/services/test_env_file.py", "make env",
    ),
    *_lines(
        "docs/production.md", "Run in containers", _WHOLE, "Makefile", "make test-containers", "make test-all",
        "make demo-containers",
    ),
    *_lines(
        "docs/production.md", "Logins",
        "needs a proxy in front of it; not played: that one address cannot go on guessing is asked in",
        "tests/security/test_logins.py", "airflow api-server",
    ),
    *_lines(
        "docs/production.md", "Reserved connections",
        "needs a connection in Airflow's database; what one is worth is asked in",
        "tests/security/test_reserved_connections.py", "POST /connections",
    ),
    *_lines("docs/production.md", "Reserved connections", "the same line is played in 'The champion must go'",
            "tests/docs/plays_services.py", "./almanac up"),
    *_lines(
        "docs/production.md", "Audit", "asks databases in the internet; what it makes of their answers is asked in",
        "tests/security/test_audit.py", "make audit", ".venv/bin/python tools/audit.py --service pypi",
    ),
    *_lines("docs/threats.md", "Threats: who may do what, what is trusted, and what each guard rests on", _WHOLE,
            "Makefile", "make test"),
    *_lines("docs/production.md", "What each service is for", _WHOLE, "Makefile", "make demo-celery"),
    *_lines(
        "docs/production.md", "Profiles: dev, staging, production",
        "`up` is played in plays_services.py; that services are told the folder wherever they run is asked in",
        "tests/config/test_home.py", "ALMANAC_MODELS=include/environments/dev ./almanac up",
    ),
    *_lines(
        "docs/production.md", "What it survives, and by which settings", _WHOLE, "Makefile", "make test-faults"
    ),
    *_lines(
        "docs/production.md", "Object storage", _ENGINE, "tests/services/test_compose.py",
        "docker compose -f docker-compose.yaml -f docker-compose.objects.yaml up",
    ),
    *_lines(
        "docs/production.md", "Kubernetes", _ENGINE, "tests/services/test_kubernetes.py",
        "docker build --build-arg MORE=requirements-kubernetes.txt .", "helm lint",
        "kubectl create secret generic almanac-metadata --from-literal=connection='postgresql://...'",
        "kubectl create secret generic almanac-fernet --from-literal=fernet-key=...",
        "kubectl create secret generic almanac-journal --from-env-file=.env.journal",
        "kubectl create secret generic almanac-secrets --from-env-file=.env.tasks",
        "kubectl create configmap almanac-environment --from-env-file=environment.env",
        "helm upgrade --install almanac apache-airflow/airflow --values kubernetes/values.yaml --set-file podTemplate=kubernetes/pod-template.yaml",  # noqa: E501
    ),
    *_lines(
        "docs/production.md", "Who may do what", "needs FAB's user manager, which only the stack of containers has",
        "tests/production/conftest.py", "POST /auth/fab/v1/users",
    ),
    *_lines(
        "docs/triggers.md", "Triggers", "is for an Airflow that was started otherwise; `up` makes the pools in",
        "tests/services/test_pools.py", 'airflow pools set heavy 1 "training"',
    ),
)  # fmt: skip
