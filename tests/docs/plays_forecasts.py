"""The command lines of `docs/forecasts.md`, and of the example of mails."""

from tests.docs.scenes import Scene, Step

PAGE = "docs/forecasts.md"
_EXAMPLE = "An example in a quarter of an hour"
_EXAMPLE_STEPS = (
    Step(
        "./almanac example sales retail",
        (r"retail/sales\.yaml: written", r"retail/sales\.csv: written"),
    ),
    Step("cp retail/sales.yaml include/models/", after="forecasts:the_forecast_is_declared"),
    Step("./almanac config show sales", (r"kind: forecast", r"target: Weekly_Sales")),
    Step("mkdir -p var/landing/sales && cp retail/sales.csv var/landing/sales/", after="forecasts:the_dags_have_run"),
    Step(
        "./almanac forecast show sales",
        (
            r"sales: version 2024-11-25-\w{8}, published; 18 grains, 0 keep the baseline",
            r"error: the error of all grains is 0\.8\d\d of the baseline's, expected at most 1",
            r"set aside: 2\n",
            r'\["S19"\]  ended: its newest row is of 2024-09-16 00:00, those of other grains of 2024-11-25 00:00',
            r'\["S20"\]  short: got 26 steps, expected at least 89 for a season and the backtests',
        ),
    ),
    Step(
        "./almanac forecast adjust sales S07 --percent 10 --since 2024-12-02 --until 2024-12-16"
        ' --reason "a fair next door"',
        (r'sales: adjustment \w{8}: \+10 % of \["S07"\]; version 2024-11-25-\w{8} is published with 1 adjustments',),
    ),
    Step(
        "./almanac forecast adjustments sales", (r"a fair next door\n    no actual value has come yet\n1 adjustments",)
    ),
)
_IN_MODELS = {"include/models/": "models/"}  # the stage's own declarations

SCENES = (
    Scene(
        "docs/gallery.md",
        "Examples",
        "new",
        (
            Step("./almanac example", (r"rentals +bicycles per hour", r"spam +mails")),
            Step("./almanac example rentals", (r"rentals/rentals\.yaml: written", r"rentals/rentals\.csv: written")),
            Step("cp rentals/rentals.yaml include/models/", after="gallery:the_model_is_declared"),
            Step(
                "./almanac check rentals rentals/rentals.csv",
                (r"12000 records: 12000 rows would be published", r"The one to beat is week_ago"),
            ),
            Step(
                "mkdir -p var/landing/rentals && cp rentals/rentals.csv var/landing/rentals/",
                after="gallery:the_file_has_landed",
            ),
        ),
        binds=_IN_MODELS,
    ),
    Scene(
        "docs/add-a-model.md",
        "Mails, and other texts",
        "new",
        (
            Step(
                "./almanac example spam mails",
                (r"mails/spam\.yaml: written", r"mails/first_weeks\.csv: written", r"mails/week_09\.csv: written"),
            ),
            Step("cp mails/spam.yaml include/models/", after="mails:the_model_is_declared"),
            Step("./almanac check spam mails/first_weeks.csv", (r"1,?792 of 1,?792|1,?792 rows",)),
            Step(
                "mkdir -p var/landing/spam && cp mails/first_weeks.csv var/landing/spam/",
                after="mails:the_first_weeks_are_published",
            ),
            Step("cp mails/week_09.csv var/landing/spam/", after="mails:the_next_week_is_published"),
        ),
        binds=_IN_MODELS,
    ),
    Scene(PAGE, _EXAMPLE, "new", _EXAMPLE_STEPS, binds=_IN_MODELS),
    Scene(
        PAGE,
        "A published forecast is wrong",
        "forecast published",
        (
            Step(
                './almanac forecast rollback sales <version> --reason "..."',
                (r"sales: version {first} is published again; version {second} stays away",),
                after="forecasts:the_first_version_is_published",
            ),
        ),
        binds={"<version>": "{first}"},
    ),
    Scene(
        PAGE,
        "The report",
        "forecast published",
        (Step("./almanac forecast switches sales --since 2024-03-01 --from theta", (r"\d+ switches",)),),
    ),
    Scene(
        PAGE,
        "Adjustments",
        "forecast published",
        (
            Step("./almanac forecast adjustments sales", (r"{adjustment}  ",)),
            Step(
                './almanac forecast unadjust sales <id> --reason "..."',
                (r"sales: adjustment {adjustment} of .* is undone; version .* with 0 adjustments",),
            ),
        ),
        before="forecasts:an_adjustment_is_published",
        binds={"<id>": "{adjustment}"},
    ),
    Scene(
        PAGE,
        "Versions",
        "forecast published",
        (
            Step(
                "./almanac forecast show sales --version 2024-11-25-95fda4e6",
                (r"sales: version {second}; 18 grains", r"refused at"),
                binds={"2024-11-25-95fda4e6": "{second}"},
            ),
        ),
    ),
)
