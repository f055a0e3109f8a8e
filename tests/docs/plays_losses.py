"""The runbooks of docs/operations.md for what is lost, damaged or old: tables, files, databases, logs, the key."""

from tests.docs.scenes import Scene, Step

PAGE, FORMAT = "docs/operations.md", "docs/backup-format.md"
_CLEANUP = "Old records are deleted (cleanup)"
_BEHIND, _FILE, _DATABASE = "A table is behind", "A file is damaged", "A database is damaged"
_KEY = "The key of the backups"
_ROTATED = (r"stage/var/backups: \w{16} -> \w{16}; 9 snapshots", r"stage/second: \w{16} -> \w{16}; 9 snapshots")
_WITHOUT_OLD = (r"stage/var/backups: \w{16} -> \w{16}; 0 snapshots", r"stage/second: \w{16} -> \w{16}; 0 snapshots")


def _rotated(page: str, section: str) -> Scene:
    step = Step("almanac key rotate", _ROTATED, after="losses:the_rotation_is_in_the_journal")
    return Scene(page, section, "backed up", (step,), way="rotated")


def _lost(page: str, section: str) -> Scene:
    text = "almanac key rotate --without-old"
    step = Step(f"./{text}" if page == PAGE else text, _WITHOUT_OLD, after="losses:a_backup_is_taken_with_the_new_key")
    return Scene(page, section, "backed up", (step,), before="losses:the_key_is_replaced", way="lost")


def _measured(page: str, section: str) -> Scene:
    text = "almanac cleanup --dry-run"
    step = Step(text, (r"dataset.*weather", r"0 rows and files .* would go; to delete them: almanac cleanup"))
    return Scene(page, section, "registered", (step,), way="sizes")


def _upgraded(page: str, section: str) -> Scene:
    step = Step(
        "./almanac journal upgrade",
        (r"backed up: .*database/journal@", r"from no revision \(0\.1\) to revision \d+"),
        after="losses:the_journal_is_read_again",
    )
    return Scene(page, section, "published", (step,), before="losses:the_journal_is_of_0_1", way="upgrade")


SCENES = (
    _upgraded(PAGE, "The journal's tables are of another version"),
    _upgraded("docs/upgrading.md", "The journal"),
    _measured(PAGE, "Which page answers which question"),
    Scene(
        PAGE,
        _CLEANUP,
        "registered",
        (
            Step("./almanac cleanup --dry-run", (r"GOES +task_logs", r"1 rows and files .* would go")),
            Step("./almanac cleanup", (r"gone +task_logs", r"1 rows and files .* are deleted")),
            Step(
                "./almanac cleanup",
                (r"FAILED +task_logs: .*too much would expire at once", r"cleanup --approve"),
                exit_code=1,
                before="losses:the_other_task_log_is_old",
            ),
            Step(
                "./almanac cleanup --approve", (r"1 rows and files .* are deleted",), after="losses:no_task_log_is_left"
            ),
        ),
        before="losses:a_task_log_is_old",
        way="logs",
    ),
    Scene(
        PAGE,
        _CLEANUP,
        "served",
        (
            Step(
                "./almanac backup database/airflow",
                (r"database/airflow@",),
                after="losses:the_snapshot_of_airflow_s_database_is_whole",
            ),
        ),
        way="a snapshot first",
    ),
    Scene(
        PAGE,
        "To start an empty dataset on purpose",
        "published",
        (
            Step('./almanac accept dataset/<model> --start-empty --reason "..."', (r"no table", r"batch \w{12}")),
            Step(
                './almanac accept quarantine/<model> --start-empty --reason "..."',
                (r"there is no table",),
                after="losses:what_lies_in_the_landing_area_is_taken_again",
            ),
        ),
        before="losses:dataset_and_quarantined_rows_are_removed",
    ),
    Scene(
        PAGE,
        _BEHIND,
        "backed up",
        (Step("./almanac doctor", (r"table dataset/weather +│ fail", r"is missing, which"), exit_code=1),),
        before="losses:the_newest_commit_is_removed",
        needs="time",
        way="seen",
    ),
    Scene(
        PAGE,
        _BEHIND,
        "backed up",
        (
            Step(
                "./almanac repair dataset/<model>",
                (r"repaired +_delta_log/{commit}", r" 1 damaged, 0 in no"),
                after="losses:every_row_is_back_and_writers_go_on",
            ),
        ),
        before="losses:the_newest_commit_is_removed",
        way="repaired",
    ),
    Scene(
        PAGE,
        _BEHIND,
        "backed up",
        (
            Step("./almanac repair dataset/<model>", (r"LEFT .*{commit}: is gone",), exit_code=1),
            Step(
                "./almanac restore dataset/<model> --live --replace",
                (r"is in \S+/datasets/weather", r"lacks 1 batches with 744 rows"),
                exit_code=3,
                after="losses:the_lost_month_is_taken_again",
            ),
        ),
        before="losses:a_month_is_published_and_its_commit_removed",
        way="restored",
    ),
    Scene(
        PAGE,
        _BEHIND,
        "backed up",
        (
            Step(
                './almanac accept dataset/<model> --reason "..."',
                (r"is accepted", r"batch \w{12} is not in it: 744"),
                after="losses:the_lost_month_is_taken_again",
            ),
        ),
        before="losses:a_month_is_published_and_its_commit_removed",
        way="accepted",
    ),
    Scene(
        PAGE,
        _FILE,
        "backed up",
        (
            Step(
                "./almanac repair <model>",
                (r"repaired .*{january}: is gone", r"model/weather: .* 0 damaged"),
                after="losses:every_row_is_back_and_writers_go_on",
            ),
        ),
        before="losses:a_file_of_the_dataset_is_removed",
        way="repaired",
    ),
    Scene(
        PAGE,
        _FILE,
        "backed up",
        (
            Step("./almanac repair <model>", (r"LEFT .*no snapshot has it",), exit_code=1),
            Step("./almanac dataset <model>", (r"5,109 in 7 files", r"by batch \w{12}")),
        ),
        before="losses:a_month_is_published_and_its_file_removed",
        way="left",
    ),
    Scene(
        PAGE,
        _DATABASE,
        "backed up",
        (Step("./almanac doctor", (r"database journal +│ fail", r"is damaged"), exit_code=1),),
        before="losses:a_month_is_published_and_the_journal_damaged",
        needs="time",
        way="seen",
    ),
    Scene(
        PAGE,
        _DATABASE,
        "backed up",
        (
            Step("./almanac down", (r"The services were not running",)),
            Step(
                "./almanac restore database/journal --live --replace",
                (r"is in \S+/journal\.db",),
                after="losses:the_month_is_recognised",
            ),
        ),
        before="losses:a_month_is_published_and_the_journal_damaged",
        way="restored",
    ),
    Scene(
        PAGE,
        _DATABASE,
        "backed up",
        (
            Step(
                "./almanac journal rebuild",
                (
                    r"batches of weather: [1-9]\d* added, 0 already",
                    r"promotions of weather: [1-9]\d* added",
                    r"snapshots of \S+: [1-9]\d* added",
                    r"Not rebuilt",
                ),
                after="losses:the_journal_knows_what_the_commits_know",
            ),
        ),
        before="losses:a_month_is_published_and_the_journal_moved_aside",
        way="rebuilt",
    ),
    Scene(
        PAGE,
        _KEY,
        "backed up",
        (
            Step("./almanac key show", (r"\w{16}  the installation's", r"\w{16}  \S+/second, since")),
            Step('./almanac key rotate --reason "..."', _ROTATED, after="losses:the_rotation_is_in_the_journal"),
            Step("./almanac backup-key", (r"\A\S{44}\n\Z",)),
            Step("./almanac verify", (r"9 snapshots, .* 0 damaged",)),
            Step("./almanac verify --second", (r"9 snapshots, .* 0 damaged",)),
        ),
        way="rotated",
    ),
    _lost(PAGE, _KEY),
    _rotated(FORMAT, "Keys"),
    _rotated(FORMAT, "Threats"),
    _lost(FORMAT, "Threats"),
)
