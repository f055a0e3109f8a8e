"""The runbooks of docs/operations.md."""

from tests.docs.scenes import Scene, Step

PAGE = "docs/operations.md"
_OUTPUTS = "Old outputs are deleted (expire_outputs_<model>)"
_WAITS = "A promotion waits for an answer (train_<model> or promote_<model> / approve)"
_REJECTED = "A batch was rejected (ingest_<model> / report_rejections is red)"
_SWEEP = "Retention wants to delete too much (retention / sweep is red)"
_TOLD = "The monitor reports or asks (monitor_<model>; docs/monitoring.md)"
LOST = "The machine is lost"
NEW = {"/new/home": "{root}/stage/new", "/other/disk/backups": "{root}/stage/second", "KEY=...": "KEY={key}"}
EXPORT = "export ALMANAC_HOME=/new/home ALMANAC_SECOND_BACKUPS=/other/disk/backups ALMANAC_BACKUP_KEY=..."
_CAME_BACK = (r"is in \S+/dataset", r"opens at version 5 with 4365 rows")

SCENES = (
    Scene(
        "docs/serving.md",
        "Start it, and let somebody ask",
        "published",
        (
            Step("./almanac token create crane --model weather", (r"almanac_[\w-]{43}",)),
            Step("./almanac token list", (r"crane +good +until \d{4}-\d\d-\d\dT\d\d:\d\d UTC +predict +weather",)),
            Step("./almanac token revoke crane", (r"crane: 1 revoked",)),
        ),
    ),
    Scene(
        "docs/metrics.md",
        "Read them",
        "published",
        (
            Step("./almanac token create prometheus --model '*' --scope metrics --days 365", (r"almanac_[\w-]{43}",)),
            Step("./almanac token revoke prometheus", (r"prometheus: 1 revoked",)),
        ),
    ),
    Scene(
        PAGE,
        "A model is to be retired",
        "backed up",
        (
            Step(
                './almanac retire <model> --reason "..."',
                (r"weather: is retired",),
                before="the_yaml_is_removed",
                after="nobody_is_protected",
            ),
            Step(
                './almanac retire <model> --undo --reason "..."',
                (r"weather: is protected again",),
                after="the_model_is_protected",
            ),
        ),
    ),
    Scene(
        PAGE,
        "Which page answers which question",
        "backed up",
        (Step("almanac backup-report FILE", (r"report\.html: written",), binds={"FILE": "report.html"}),),
    ),
    Scene(
        PAGE,
        _REJECTED,
        "published",
        (
            Step(
                './almanac quarantine readmit <model> <batch> --whole --reason "..."',
                (r"48 rows published, 0 in quarantine",),
                after="the_rejected_file_is_published",
            ),
        ),
        before="humidity_is_declared_in_percent",
        binds={"<batch>": "{rejected}"},
    ),
    Scene(
        PAGE,
        "What is in a dataset",
        "published",
        (Step("./almanac dataset <model>", (r"Made by this project", r"4,365 in 6 files", r"Humidity")),),
    ),
    Scene(
        PAGE,
        "Rows are in quarantine",
        "published",
        (
            Step(
                "./almanac quarantine list",
                (r"{batch}  3 rows  weather_2024-02", r"2  Humidity\.range", r"rejected file"),
            ),
            Step("./almanac quarantine show <model> <batch>", (r"row 7  Humidity\.range", r'"Humidity":"80"')),
            Step(
                './almanac quarantine readmit <model> <batch> --set 7:Humidity=0.8 --row 7 --reason "gauge read again"',
                (r"1 rows published, 0 dropped", r"0 refused"),
                after="one_row_is_repaired",
            ),
        ),
        binds={"<batch>": "{batch}"},
        way="a cell",
    ),
    Scene(
        PAGE,
        "Rows are in quarantine",
        "published",
        (
            Step("./almanac quarantine export <model> <batch> --to repair.csv", (r"3 rows written to repair\.csv",)),
            Step(
                './almanac quarantine readmit <model> --file repair.csv --reason "..."',
                (r"3 rows published", r"0 refused"),
                before="the_export_is_edited",
                after="nothing_is_left_in_quarantine",
            ),
        ),
        binds={"<batch>": "{batch}"},
        way="many",
    ),
    Scene(
        PAGE,
        _OUTPUTS,
        "backed up",
        (
            Step(
                "./almanac expire <model>",
                (r"GOES +reports", r"would go\. To delete them: almanac expire weather --apply --approve"),
            ),
            Step("./almanac expire <model> --apply --approve", (r"are deleted",), after="reports_are_gone"),
        ),
        before="reports_are_old",
    ),
    Scene(
        PAGE,
        "Windows are missing, failed or late",
        "published",
        (Step("./almanac windows <model>", (r"gap", r"To run again", r"from_date 2024-02-01T00:00:00"), exit_code=1),),
        before="windows_are_declared",
    ),
    Scene(
        PAGE,
        _TOLD,
        "published",
        (Step("./almanac windows <model>", (r"from_date",), exit_code=1),),
        before="windows_are_declared",
    ),
    Scene(
        PAGE,
        "Where does a prediction come from?",
        "registered",
        (
            Step(
                "./almanac trace weather/2024-02-10T05:00:00Z/3",
                (r"2024-02-10T05", r"weather@3", r"weather_2024-02\.csv"),
            ),
            Step(
                "./almanac trace weather@champion",
                (r"weather@3 \(champion\)", r"promoted .* by ada", r"packages .*polars"),
            ),
            Step("./almanac rebuild weather@3", (r"The results are the same\.",)),
        ),
    ),
    Scene(
        PAGE,
        "Scoring was stopped",
        "published",
        (
            Step("./almanac scoring status <model>", (r"F1 fell to 0\.31", r"scoring resume weather"), exit_code=1),
            Step("./almanac scoring resume <model> --reason '...'", (r"scoring resumed",), after="scoring_goes_on"),
        ),
        before="scoring_is_stopped",
    ),
    Scene(
        PAGE,
        _WAITS,
        "registered",
        (Step('./almanac promote <model>@<version> --reason "..."', (r"version 4 is champion",)),),
        binds={"<version>": "4"},
    ),
    Scene(
        PAGE,
        "The champion must go",
        "registered",
        (
            Step(
                './almanac rollback <model> --reason "..."',
                (r"version 2 is champion again, version 3 is out of production",),
                after="version_2_is_champion",
            ),
        ),
    ),
    Scene(
        "docs/gates.md",
        "best_of_year",
        "registered",
        (
            Step(
                './almanac rollback <model> --to <version> --reason "..."',
                (r"version 2 is champion again, version 3 is out of production",),
                after="version_2_is_champion",
            ),
        ),
        binds={"<version>": "2"},
        needs="time",
    ),
    Scene(
        PAGE,
        "Alerts",
        "published",
        (
            Step("almanac alerts show <number>", (r"ingest failed", r"No space left on device", r"Make room")),
            Step("almanac alerts ack <number>", (r"acknowledged by",), after="the_alert_is_taken_on"),
        ),
        before="an_alert_lasts",
        binds={"<number>": "{number}"},
    ),
    Scene(
        PAGE,
        "Alert: failure",
        "published",
        (
            Step(
                'almanac alerts dismiss <number> --reason "..."',
                (r"ingest failed: dismissed by",),
                after="the_alert_is_dismissed",
            ),
        ),
        before="an_alert_lasts",
        binds={"<number>": "{number}"},
        way="dismissed",
    ),
    Scene(
        PAGE,
        "Alert: rejection",
        "published",
        (
            Step(
                'almanac alerts dismiss <number> --reason "..."',
                (r"percent\.csv was rejected: dismissed by",),
                after="the_alert_is_dismissed",
            ),
        ),
        before="a_file_is_rejected_and_told",
        binds={"<number>": "{number}"},
    ),
    Scene(
        PAGE,
        "Alert: approval",
        "registered",
        (Step("almanac promote <model>@<version> --reason ...", (r"version 4 is champion",)),),
        binds={"<version>": "4"},
    ),
    Scene(PAGE, "Alert: quality", "published", (Step("almanac quarantine list <model>", (r"{batch}  3 rows",)),)),
    Scene(
        PAGE,
        "Alert: volume",
        "published",
        (Step("almanac windows <model>", (r"from_date",), exit_code=1),),
        before="windows_are_declared",
    ),
    Scene(
        PAGE,
        "Alert: better",
        "registered",
        (Step("almanac promote <model>@<version> --reason ...", (r"version 4 is champion",)),),
        binds={"<version>": "4"},
    ),
    Scene(
        PAGE,
        "Alert: backup",
        "served",
        (Step("almanac backup", (r"group/all@\S+ .* 10 snapshots",), after="everything_can_be_restored"),),
        way="missed",
    ),
    Scene(
        PAGE,
        "Alert: backup",
        "backed up",
        (
            Step("almanac list --second", (r"{dataset}", r"{group}")),
            Step("almanac restore SNAPSHOT --second", (r"is in \S+/restored/dataset-weather",)),
            Step(
                'almanac forget SNAPSHOT --lost --reason "..."',
                (r"recorded as lost",),
                after="the_alarm_about_it_is_over",
            ),
        ),
        before="a_snapshot_vanishes",
        binds={"SNAPSHOT": "{dataset}"},
        way="vanished",
    ),
    Scene(
        PAGE,
        "Alert: drill",
        "backed up",
        (
            Step("almanac verify", (r"9 snapshots, .* 0 damaged",)),
            Step(
                "almanac drill",
                (r"passed {17}group/all", r"opens at version 5 with 4365 rows", r"damaged copy refused"),
            ),
        ),
        needs="time",
    ),
    Scene(PAGE, "Alert: disk", "published", (Step("du -xh --max-depth=2 var | sort -h | tail", (r"var/datasets",)),)),
    Scene(
        PAGE,
        "Alert: delivery",
        "published",
        (Step("almanac alerts list --undelivered", (r"the pager does not answer",)),),
        before="an_alert_lasts",
    ),
    Scene(
        PAGE,
        "Backups",
        "backed up",
        (
            Step("./almanac backup-key", (r"\A\S{44}\n\Z",)),
            Step("./almanac list", (r"{group}", r"model/weather@\S+ .* version 3  champion")),
            Step(
                "./almanac show SNAPSHOT",
                (r"the nightly run", r"member {5}database/mlflow@"),
                binds={"SNAPSHOT": "{group}"},
            ),
        ),
    ),
    Scene(
        PAGE,
        "A wrong model is live",
        "backed up",
        (
            Step('./almanac rollback <model> --reason "..."', (r"almanac: ",), exit_code=1),
            Step("./almanac list model/<model>", (r"{previous} .* version 2  previous",)),
            Step(
                "./almanac restore model/<model>@<time> --to /tmp/look --use",
                (r"stored inputs predicted again, difference 0",),
                binds={"/tmp/look": "look"},  # noqa: S108,
            ),
            Step("./almanac restore model/<model>@<time> --live", (r"is in \S+/mlartifacts",)),
            Step(
                './almanac rollback <model> --reason "..."',
                (r"version 2 is champion again",),
                after="version_2_is_champion",
            ),
            Step(
                './almanac forget model/<model>@<its time> --hold --reason "..."',
                (r"is on hold: no policy forgets it",),
                binds={"model/<model>@<its time>": "{champion}"},
            ),
        ),
        before="the_files_of_the_version_before_are_lost",
        binds={"model/<model>@<time>": "{previous}"},
        needs="time",
    ),
    Scene(
        PAGE,
        "Someone deleted a month",
        "backed up",
        (
            Step(
                """.venv/bin/python -c "from deltalake import DeltaTable as T; [print(c['version'], c['operation'], c.get('operationParameters')) for c in T('<home>/datasets/<model>').history(10)]\"""",  # noqa: E501
                (r"{before} WRITE", r"6 DELETE .*2024-01"),
            ),
            Step(
                """.venv/bin/python -c "from deltalake import DeltaTable as T; T('<home>/datasets/<model>').restore(<version>)\"""",  # noqa: E501
                after="every_row_is_back",
            ),
            Step("./almanac backup dataset/<model>", (r"dataset/weather@",)),
        ),
        before="a_month_is_deleted_by_a_commit",
        binds={"<home>": "var", "<version>": "{before}"},
        way="by a commit",
    ),
    Scene(
        PAGE,
        "Someone deleted a month",
        "backed up",
        (
            Step("./almanac list dataset/<model>", (r"{dataset}",)),
            Step("./almanac restore dataset/<model> --use", _CAME_BACK),
            Step(
                "./almanac restore dataset/<model> --live --replace",
                (r"is in \S+/datasets/weather",),
                after="every_row_is_back",
            ),
            Step("./almanac backup dataset/<model>", (r"dataset/weather@",)),
        ),
        before="a_month_s_files_are_removed",
        way="by its files",
        needs="time",
    ),
    Scene(
        PAGE,
        "A drill has failed (restore_drill is red)",
        "backed up",
        (Step("./almanac backup --reread", (r"group/all@",), after="everything_can_be_restored"),),
        before="an_object_is_damaged",
        needs="time",
    ),
    Scene(
        PAGE,
        _SWEEP,
        "backed up",
        (Step("./almanac sweep --approve", (r"objects, .* are deleted",), after="nothing_forgotten_is_left"),),
        before="most_snapshots_are_forgotten",
        way="meant",
    ),
    Scene(
        PAGE,
        _SWEEP,
        "backed up",
        (
            Step(
                "./almanac forget SNAPSHOT --undo",
                (r"is kept again",),
                after="the_group_is_there_again",
                binds={"SNAPSHOT": "{group}"},
            ),
        ),
        before="most_snapshots_are_forgotten",
        way="not meant",
    ),
    Scene(
        PAGE,
        LOST,
        "served, backed up",
        (
            Step(EXPORT),
            Step("chmod 700 /new/home/secrets", before="the_secrets_are_put_back"),
            Step("./almanac verify --second", (r"11 snapshots, .* 0 damaged",)),
            Step("./almanac list group/all --second", (r"{group}",)),
            Step(
                "./almanac restore group/all --live --second",
                (r"dataset/weather@\S+ is in \S+/new/datasets/weather",),
                after="data_versions_and_databases_are_back",
            ),
            Step("./almanac replicate --back", (r"11 snapshots",)),
            Step("./almanac backup", (r"group/all@\S+ .* 10 snapshots",), after="everything_can_be_restored"),
        ),
        before="the_machine_burns",
        binds=NEW,
        way="with its secrets kept",
        needs="time",
    ),
    Scene(
        PAGE,
        "Backups",
        "served",
        (Step("./almanac backup", (r"group/all@\S+ .* 10 snapshots",), after="everything_can_be_restored"),),
        way="by hand",
    ),
)
