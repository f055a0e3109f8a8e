"""Lines that need running services, played in this order on one home; `make up` and `make down` are among them."""

from tests.docs.plays_operations import EXPORT, LOST, NEW
from tests.docs.scenes import Scene, Step

_UP = (r"already running", r"Airflow   http://127\.0\.0\.1:\d+   user admin", r"passwords .*credentials\.json")
_RUNS = (r"scheduler +RUNNING", r"mlflow +RUNNING", r"triggerer +RUNNING")
_DOCTOR = (r"services", r"DAG files +│ ok")
_WORKED = (r"trained and judged", r"scored: weather/", r"traced: weather/")
_WHERE = {"127.0.0.1:5000": "127.0.0.1:{mlflow_port}", "http://127.0.0.1:8080": "http://127.0.0.1:{airflow_port}"}


def _scene(page: str, section: str, *steps: Step, before: str = "", way: str = "") -> Scene:
    return Scene(page, section, "handed", steps, before=before, binds=_WHERE, needs="services", way=way)


SCENES = (
    _scene(
        "docs/triggers.md",
        "Triggers",
        Step("./almanac up", (r"The services are up after \d+ s", r"Airflow   http")),
        before="events_and_windows_are_declared",
    ),
    _scene(
        "docs/operations.md",
        LOST,
        Step("./almanac drill --disaster", (r"\(RPO\)", r"\(RTO\)", r"48 rows published", *_WORKED)),
        before="everything_is_backed_up_twice",
        way="the drill",
    ),
    _scene(
        "README.md",
        "Keep it running",
        Step("make up", (r"The services are up after \d+ s", r"Airflow   http")),
        Step("cp some.csv var/landing/weather/", after="some_csv_is_published"),
        Step("./almanac status", _RUNS),
        Step("./almanac quarantine list weather", (r"{batch}  3 rows", r"rejected file  percent\.csv")),
        Step("./almanac dataset weather", (r"5,109 in 7 files",)),
        Step('./almanac rollback weather --reason "..."', (r"version 2 is champion again",)),
        Step("./almanac backup-report backups.html", (r"backups\.html: written",)),
        Step("./almanac doctor", _DOCTOR),
        Step("make down", (r"The services are stopped",)),
        before="the_services_are_stopped",
    ),
    _scene(
        "docs/operations.md",
        "A process was killed, or the machine went down",
        Step("make up", (r"The services are up after",), before="the_services_are_killed"),
    ),
    _scene("docs/operations.md", "The champion must go", Step("./almanac up", _UP), way="up"),
    _scene("docs/add-a-model.md", "In a quarter of an hour, from a file", Step("./almanac up", _UP), way="up"),
    _scene("docs/add-a-model.md", "Search", Step("./almanac up", _UP)),
    _scene(
        "docs/operations.md",
        "A service is down",
        Step("./almanac status", _RUNS),
        Step("./almanac doctor", _DOCTOR),
        Step("GET /api/v2/monitor/health", (r"healthy",)),
        Step("curl 127.0.0.1:5000/health", (r"OK",)),
    ),
    _scene("docs/operations.md", "Alert: failure", Step("make status", _RUNS)),
    _scene("docs/operations.md", "Alert: running", Step("almanac status", _RUNS)),
    _scene("docs/add-a-model.md", "Step by step", Step("./almanac doctor", _DOCTOR)),
    _scene("docs/object-storage.md", "What a store must guarantee", Step("./almanac doctor", _DOCTOR)),
    _scene("docs/production.md", "Profiles: dev, staging, production", Step("./almanac doctor", _DOCTOR), way="doctor"),
    _scene(
        "docs/add-a-model.md",
        "When",
        Step(
            'POST /api/v2/dags/train_<name>/dagRuns {"logical_date": null, "conf": {"reason": "..."}}',
            (r"train_weather",),
            after="a_training_has_judged",
            binds={'"..."': '"because"'},
        ),
    ),
    _scene(
        "docs/triggers.md",
        "Tumbling window",
        Step(
            'POST /api/v2/backfills {"dag_id": "window_weather", "from_date": "2021-01-01T00:00:00Z", "to_date":'
            ' "2021-01-31T00:00:00Z", "max_active_runs": 4, "reprocess_behavior": "failed"}',
            (r"window_weather",),
            after="two_windows_are_closed",
            # the windows of this home; a month of them would take minutes
            binds={"2021-01-01": "2024-02-10", "2021-01-31": "2024-02-11"},
        ),
        way="backfill",
    ),
    _scene(
        "docs/triggers.md",
        "Custom event",
        Step("airflow=http://127.0.0.1:8080"),
        Step("password=$(jq -r .airflow_password var/secrets/credentials.json)", (r"\S{8,}",)),
        Step(
            """token=$(curl -s "$airflow/auth/token" --json "{\\"username\\": \\"admin\\", \\"password\\": \\"$password\\"}" | jq -r .access_token)""",  # noqa: E501
            (r"\S{40,}",),
        ),
        Step(
            """asset=$(curl -s "$airflow/api/v2/assets?uri_pattern=almanac://weather/events/tides" -H "Authorization: Bearer $token" | jq '.assets[0].id')""",  # noqa: E501
            (r"\d+",),
        ),
        Step(
            """curl -s --retry 9 "$airflow/api/v2/assets/events" -H "Authorization: Bearer $token" --json "{\\"asset_id\\": $asset, \\"extra\\": {\\"station\\": \\"hamina\\", \\"height_m\\": 1.2}}\"""",  # noqa: E501
            (r'"name":"event_tides\.weather"',),
            after="the_event_was_let_in",
        ),
    ),
    Scene(
        "docs/operations.md",
        LOST,
        "handed",
        (
            Step(EXPORT),
            Step("./almanac verify --second", (r"0 damaged",)),
            Step("./almanac list group/all --second", (r"group/all@",)),
            Step(
                "./almanac restore group/all --live --second",
                (r"dataset/weather@\S+ is in \S+/new/datasets/weather",),
                after="data_versions_and_databases_are_back",
            ),
            Step("./almanac up", (r"The services are up after", r"this home's password")),
            Step("./almanac doctor", _DOCTOR),
            Step("./almanac trace <model>@champion", (r"weather@\d+ \(champion\)",)),
            Step("./almanac replicate --back", (r"snapshots",)),
            Step("./almanac backup", (r"group/all@",), after="everything_can_be_restored"),
        ),
        before="the_machine_burns_with_its_safe",
        binds=NEW,
        needs="services",
        way="nothing but place and key",
    ),
)
