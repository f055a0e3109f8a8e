"""The command lines of README.md and of the pages beside the runbooks."""

from tests.docs.scenes import Scene, Step

_TUTORIAL = "In a quarter of an hour, from a file"
_PROFILES = "Profiles: dev, staging, production"

SCENES = (
    Scene(
        "docs/training-programs.md",
        "Environments",
        "new",
        (
            Step("./almanac environment lock churn", (r"written: .*environments/churn\.lock",)),
            Step("./almanac environment build churn", (r"built: .*environments/churn-[0-9a-f]{16}",)),
            Step("./almanac environment list", (r"churn: built: .*environments/churn-[0-9a-f]{16}",)),
        ),
        before="an_environment_without_packages_is_asked_for",
    ),
    Scene(
        "docs/add-a-model.md",
        _TUTORIAL,
        "new",
        (
            Step(
                "./almanac draft bikes bikes.csv --label rentals --horizon 1d",
                (r"models/bikes\.yaml is written and valid",),
                after="bikes_are_drafted_with_quick_candidates",
            ),
            Step("mkdir -p var/landing/bikes && cp bikes.csv var/landing/bikes/", after="bikes_are_taken_and_trained"),
            Step("./almanac trace bikes@1", (r"bikes@1", r"bikes\.csv")),
            Step("./almanac quarantine list bikes", (r"Quarantine is empty",)),
        ),
        way="a number",
        needs="time",
    ),
    Scene(
        "docs/add-a-model.md",
        _TUTORIAL,
        "new",
        (
            Step(
                "./almanac draft rain weather.csv --label weather --equals rain --horizon 4h",
                (r"models/rain\.yaml is written and valid",),
                binds={"--label weather": "--label Weather_conditions"},  # the column's name in the CSV that we have
            ),
        ),
        way="a value",
    ),
    Scene(
        "docs/add-a-model.md",
        "Customers without a time",
        "new",
        (
            Step(
                "./almanac draft churn customers.csv --time arrival --label Churn --equals Yes",
                (
                    r"models/churn\.yaml is written and valid",
                    r"The rows have no time: the arrival of each file stands for it",
                    r"customerID identifies a row",
                ),
                after="churn_is_drafted_without_a_time",
            ),
            Step(
                "mkdir -p var/landing/churn && cp customers.csv var/landing/churn/",
                after="churn_is_taken_and_trained",
            ),
            Step("./almanac trace churn@1", (r"churn@1", r"customers\.csv")),
            Step("cp newcomers.csv var/landing/churn/", after="newcomers_are_judged"),
        ),
        needs="time",
    ),
    Scene(
        "docs/add-a-model.md",
        "A CSV with three classes",
        "new",
        (
            Step(
                "./almanac draft sky weather.csv --label weather --equals classes --horizon 4h",
                (r"one of several classes is predicted", r"models/sky\.yaml is written and valid"),
                binds={"--label weather": "--label Weather_conditions"},  # the column's name in the CSV that we have
            ),
            Step("./almanac check sky weather.csv", (r"baselines on them, f1_macro: .* The one to beat is",)),
        ),
    ),
    Scene(
        "docs/alerts.md",
        "Alerts",
        "published",
        (
            Step("almanac alerts list", (r"critical", r"ingest failed"), exit_code=1),
            Step("almanac alerts show 12", (r"No space left on device",)),
            Step("almanac alerts ack 12", (r"acknowledged by",), after="the_alert_is_taken_on"),
            Step("almanac alerts list --undelivered", (r"the pager does not answer",)),
            Step(
                'almanac alerts dismiss 12 --reason "the sender has stopped"',
                (r"dismissed by",),
                after="the_alert_is_dismissed",
            ),
        ),
        before="an_alert_lasts",
        binds={" 12": " {number}"},
    ),
    Scene(
        "docs/backup-format.md",
        "Manifests",
        "backed up",
        (Step("almanac backup --reread", (r"group/all@\S+ .* files read",)),),
    ),
    Scene(
        "docs/backup-format.md",
        "Threats",
        "backed up",
        (Step("almanac list --all", (r"{dataset} .* forgotten .*: a mistake",)),),
        before="most_snapshots_are_forgotten",
    ),
    Scene(
        "docs/monitoring.md",
        "What follows",
        "published",
        (Step("./almanac scoring resume <model> --reason '...'", (r"scoring resumed",), after="scoring_goes_on"),),
        before="scoring_is_stopped",
    ),
    Scene(
        "docs/production.md",
        _PROFILES,
        "new",
        (
            Step(
                "diff -r include/environments/staging include/environments/production",
                (r"_profile\.yaml",),
                exit_code=1,
            ),
            Step(
                "./almanac config diff include/environments/staging include/environments/production",
                (r"--- include/environments/staging: weather",),
                exit_code=1,
            ),
            Step("./almanac config show weather --in include/environments/production", (r"name: weather",)),
        ),
    ),
    Scene(
        "docs/triggers.md",
        "Tumbling window",
        "published",
        (Step("./almanac windows <model>", (r"from_date",), exit_code=1),),
        before="windows_are_declared",
    ),
)
