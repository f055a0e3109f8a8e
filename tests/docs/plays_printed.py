"""The command lines that the product itself prints, beside those that a page prints as well.

A scene takes a line out of what another command, a page or an error has said, and runs it.
"""

from tests.docs.scenes import Scene, Step

_READMIT = r"\./almanac quarantine readmit weather --file repair\.csv --reason \"\.\.\.\""
_SUBJECTS = './almanac backup dataset/weather database/mlflow --reason "before the upgrade"'

SCENES = (
    Scene(
        "include/almanac/data/ingest/report.py",
        "the page of a batch with quarantined rows",
        "published",
        (
            Step("grep -o 'quarantine export [^<]*' var/reports/weather/*2024-02*.html", (r"weather {batch} --to",)),
            Step("./almanac quarantine export weather {batch} --to repair.csv", (_READMIT,)),
            Step(
                './almanac quarantine readmit weather --file repair.csv --reason "..."',
                (r"3 rows published",),
                before="the_export_is_edited",
                after="the_page_of_the_batch_names_what_was_run",
            ),
        ),
        binds={"{batch}": "{batch}"},
    ),
    Scene(
        "include/almanac/data/ingest/report.py",
        "the page of a rejected batch",
        "published",
        (
            Step(
                './almanac quarantine readmit weather {rejected} --whole --reason "..."',
                (r"48 rows published",),
                after="the_page_of_the_file_names_what_was_run",
            ),
        ),
        before="humidity_is_declared_in_percent",
        binds={"{rejected}": "{rejected}"},
    ),
    Scene(
        "include/almanac/cli/backups/backup.py",
        "the help of backup",
        "registered",
        (Step(_SUBJECTS, (r"dataset/weather@", r"database/mlflow@")),),
    ),
    Scene(
        "include/almanac/cli/backups/backup.py",
        "tiers",
        "backed up",
        (
            Step("./almanac tiers", (r"To move them: almanac tiers --apply",)),
            Step("./almanac tiers --apply", (r"0 objects .* are moved",)),
        ),
    ),
    Scene(
        "include/almanac/health/budgets.py",
        "what costs most",
        "backed up",
        (
            Step("./almanac cost --by pipeline", (r"no task of Almanac has ended since then",)),
            Step("./almanac cost --by month", (r"No amounts: `prices` of _installation\.yaml",)),
        ),
    ),
    Scene(
        "include/almanac/cli/expiry.py",
        "what expire would delete",
        "backed up",
        (
            Step("./almanac expire weather", (r"almanac expire weather --apply",)),
            Step("./almanac expire weather --apply", (r"are deleted",), after="reports_are_gone"),
        ),
        before="a_few_reports_are_old",
    ),
    Scene(
        "include/almanac/cli/backups/retention.py",
        "forget and sweep",
        "backed up",
        (
            Step("./almanac forget", (r"To forget them: almanac forget --apply",)),
            Step("./almanac forget --apply", (r"almanac sweep deletes them",)),
            Step("./almanac forget {journal}", (r"almanac forget \S+ --apply --reason",)),
            Step("./almanac forget {journal} --apply --reason '...'", (r"is forgotten\. To undo",)),
            Step("./almanac sweep --dry-run", (r"waiting until .* {journal}",)),
            Step("./almanac sweep", (r"0 objects",)),
        ),
        before="the_journal_has_three_snapshots",
    ),
    Scene(
        "include/almanac/cli/backups/restore.py",
        "the help of restore",
        "backed up",
        (Step("./almanac restore dataset/weather", (r"is in \S+/restored/dataset-weather",)),),
    ),
    Scene(
        "include/almanac/cli/backups/restore.py",
        "the help of restore, everything",
        "served, backed up",
        (
            Step(
                "./almanac restore group/all --live",
                (r"dataset/weather@\S+ is in",),
                after="data_versions_and_databases_are_back",
            ),
        ),
        before="only_backups_and_secrets_survive",
    ),
    Scene(
        "include/almanac/backup/restore/live.py",
        "a restore that stopped half way",
        "served, backed up",
        (
            Step("./almanac restore group/all --live", (r"--give-up", r"dataset/weather"), exit_code=1),
            Step("./almanac restore {group} --live --give-up", (r"\S",)),
        ),
        before="a_member_is_damaged_and_only_backups_and_secrets_survive",
    ),
    Scene(
        "include/almanac/backup/tasks/run_restore.py",
        "a snapshot that goes back by the command line",
        "backed up",
        (Step("./almanac restore {dataset} --live", (r"is in \S+/datasets/weather",), after="every_row_is_back"),),
        before="the_dataset_is_deleted",
    ),
    Scene(
        "include/almanac/backup/restore/repair.py",
        "a commit that no snapshot has, given up",
        "backed up",
        (
            Step("./almanac repair dataset/weather", (r"almanac accept dataset/weather --reason",), exit_code=1),
            Step(
                "./almanac accept {table} --reason '...'",
                (r"is accepted",),
                after="losses:the_lost_month_is_taken_again",
            ),
        ),
        before="losses:a_month_is_published_and_its_commit_removed",
        binds={"{table}": "dataset/weather"},
    ),
    Scene(
        "include/almanac/backup/restore/repair.py",
        "another history",
        "backed up",
        (
            Step(
                "./almanac repair dataset/weather",
                (r"differs from the snapshot's commit, and is", r"almanac restore dataset/weather --live --replace"),
                exit_code=1,
            ),
            Step(
                "./almanac restore {subject} --live --replace",
                (r"is in \S+/datasets/weather",),
                after="losses:every_row_is_back_and_writers_go_on",
            ),
        ),
        before="losses:another_history_is_written",
        binds={"{subject}": "dataset/weather"},
    ),
    Scene(
        "include/almanac/backup/subjects/sqlite.py",
        "a damaged database",
        "served, backed up",
        (
            Step("./almanac backup database/mlflow_auth", (r"is damaged: ", r"database/mlflow_auth"), exit_code=1),
            Step("./almanac restore database/mlflow_auth", (r"is in \S+/restored/database-mlflow_auth",)),
            Step("./almanac restore database/mlflow_auth --live --replace", (r"is in \S+/mlflow_auth\.db",)),
            Step("./almanac backup database/mlflow_auth", (r"database/mlflow_auth@",)),
        ),
        before="the_database_of_logins_is_damaged",
    ),
    Scene(
        "include/almanac/pages/windows.html.j2",
        "older windows",
        "published",
        (Step("./almanac windows weather --all", (r"2024-02-01", r"from_date"), exit_code=1),),
        before="windows_are_declared",
    ),
    Scene(
        "include/almanac/release/rollout.py",
        "rollouts of a model that has none",
        "published",
        (
            Step("./almanac rollout show {name}", (r"there was no rollout yet",)),
            Step("./almanac rollout abort {name} --reason ...", (r"no rollout is under way",), exit_code=1),
        ),
        binds={"{name}": "weather"},
    ),
    Scene(
        "include/almanac/services/services.py",
        "services that must be down",
        "served",
        (Step("./almanac down", (r"The services were not running",)),),
    ),
)
