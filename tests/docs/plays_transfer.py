"""docs/between-environments.md, where one installation plays both parts (tests/transfer has two), and pull requests."""

from tests.docs.scenes import Scene, Step

PAGE = "docs/between-environments.md"
_PUBLIC = r"ed25519:[A-Za-z0-9+/]{43}="

SCENES: tuple[Scene, ...] = (
    Scene(
        PAGE,
        "Once: whose versions may come",
        "registered",
        (Step("./almanac key public", (rf"\A{_PUBLIC}\n\Z",)),),
    ),
    Scene(
        PAGE,
        "Export",
        "registered",
        (
            Step(
                "./almanac export weather@champion weather.tar",
                (r"weather\.tar: weather@3, 1\d files, .* archive SHA-256 [0-9a-f]{64}", rf"Signed by {_PUBLIC}"),
            ),
        ),
    ),
    Scene(
        PAGE,
        "Import",
        "registered",
        (
            Step(
                "./almanac import weather.tar",
                (r"weather@3: signed by this installation", r"is here already as weather@3; nothing was changed"),
            ),
        ),
        before="exports:a_version_is_exported",
    ),
    Scene(
        PAGE,
        "What the version says afterwards",
        "registered",
        (Step("./almanac trace weather@champion", (r"weather@3 \(champion\)", r"graph +SHA-256")),),
    ),
    Scene(
        "docs/pull-requests.md",
        "On your machine",
        "registered",
        (
            Step(
                "./almanac run weather --report report.md --figures figures.json",
                (r"## weather: ", r"Played in a scratch home on dataset version \d+\.", r"\| f1_macro, hold-out \|"),
            ),
            Step(
                "./almanac run weather examples/weather.csv --against base/models --report report.md",
                (r"Played in a scratch home on weather\.csv\.", r"\| f1_macro, hold-out \|.*\| same \|"),
            ),
        ),
        before="exports:the_base_branch_stands_beside",
        needs="time",
    ),
)
