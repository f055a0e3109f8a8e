"""A profile changes when, where, who; never what a model is. It is read as strictly as everything else."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from almanac.cli.app import app
from almanac.config.files.loader import card_of, check_models, find_model, load_installation, load_models
from almanac.config.home import MODELS_FOLDER, REPOSITORY, Home
from almanac.errors import ConfigError

PROFILES = sorted(path.name for path in (REPOSITORY / "include" / "environments").iterdir())


@pytest.fixture
def profile(tmp_path: Path) -> Path:
    folder = tmp_path / "profile"
    folder.mkdir()
    (folder / "_profile.yaml").write_text(f"over: {MODELS_FOLDER}\n", "utf-8")
    return folder


@pytest.mark.parametrize("name", PROFILES)
def test_profile_that_is_shipped_is_valid(name: str) -> None:
    assert check_models(REPOSITORY / "include" / "environments" / name) == check_models(MODELS_FOLDER)


def test_profiles_that_are_shipped_are_those_of_the_documentation() -> None:
    assert PROFILES == ["dev", "production", "staging"]


def test_profile_that_says_nothing_changes_nothing(profile: Path) -> None:
    assert find_model(profile, "weather") == find_model(MODELS_FOLDER, "weather")
    assert load_installation(profile) == load_installation(MODELS_FOLDER)


def test_profile_lies_over_defaults_and_its_model_s_file_over_its_own_defaults(profile: Path) -> None:
    (profile / "_defaults.yaml").write_text("promotion: approve\napproval: {timeout: 2d}\n", "utf-8")
    (profile / "weather.yaml").write_text("approval: {timeout: 3d}\n", "utf-8")

    below, model = find_model(MODELS_FOLDER, "weather"), find_model(profile, "weather")
    assert (below.promotion, model.promotion) == ("auto", "approve")
    assert model.approval.timeout.days == 3
    assert model.gates == below.gates


def test_profile_installation_lies_over_the_one_below(profile: Path) -> None:
    (profile / "_installation.yaml").write_text("backup: {workers: 7}\n", "utf-8")

    below, found = load_installation(MODELS_FOLDER).backup, load_installation(profile).backup
    assert found.workers == 7
    assert found.retention == below.retention


@pytest.mark.parametrize(
    "said",
    [
        "dataset: {max_bad_share: 1.0}",
        "gates: {absolute: {f1_macro: 0.1}}",
        "train: {candidates: {}}",
        "features: []",
        "label: {horizon: 8h}",
        "monitor: {drift: {min_rows: 1}}",
        "colour: blue",
    ],
)
def test_profile_may_not_say_what_a_model_is(profile: Path, said: str) -> None:
    (profile / "weather.yaml").write_text(f"{said}\n", "utf-8")

    with pytest.raises(
        ConfigError,
        match=r"weather\.yaml: .*not allowed in a profile.*expected some of enabled,"
        r" owner",
    ):
        find_model(profile, "weather")


def test_profile_with_a_wrong_value_is_named_and_not_the_file_below(profile: Path) -> None:
    (profile / "weather.yaml").write_text("train: {triggers: {schedule: dayly}}\n", "utf-8")

    (problem,) = load_models(profile).problems
    assert problem.startswith(f"{profile}/weather.yaml: train.triggers.schedule: not a cron expression; got 'dayly'")


def test_profile_file_of_no_model_is_a_problem_and_takes_nobody_down(profile: Path) -> None:
    (profile / "wether.yaml").write_text("enabled: false\n", "utf-8")

    loaded = load_models(profile)
    assert [model.name for model in loaded.models] == ["weather"]
    assert "wether.yaml: no model of this name is declared; expected one of ['weather']" in str(loaded.problems)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("over: nowhere\n", "over: got 'nowhere', where there is nothing"),
        ("over: .\n", "over: got '.', where there is another profile"),
        ("{}\n", "over: missing"),
        ("over: x\ncolour: blue\n", "colour: unknown key"),
        ("over: x\nplaces: {landing: data}\n", "places.landing: not a place: got 'data', expected an absolute path"),
    ],
)
def test_profile_that_is_wrong_is_reported(profile: Path, text: str, message: str) -> None:
    (profile / "_profile.yaml").write_text(text, "utf-8")

    (problem,) = load_models(profile).problems
    assert message in problem
    assert "docs/production.md" in problem


def test_home_takes_places_of_the_profile_and_the_environment_is_stronger(
    profile: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for place in ("LANDING", "DATASETS"):
        monkeypatch.delenv(f"ALMANAC_{place}", raising=False)
    places = "places: {landing: 's3://port/landing/', datasets: 's3://port/datasets'}"
    (profile / "_profile.yaml").write_text(f"over: {MODELS_FOLDER}\n{places}\n", "utf-8")
    monkeypatch.setenv("ALMANAC_DATASETS", "/data/datasets")

    home = Home(models=profile)
    assert home.landing_of("weather") == "s3://port/landing/weather"
    assert home.dataset_of("weather") == "/data/datasets/weather"


def test_card_of_a_model_is_that_of_the_declarations_below(profile: Path) -> None:
    assert card_of(profile, "weather") == MODELS_FOLDER / "weather.md"


def test_config_diff_prints_what_differs_and_ends_with_one(profile: Path) -> None:
    (profile / "weather.yaml").write_text("promotion: approve\n", "utf-8")

    done = CliRunner().invoke(app, ["config", "diff", str(MODELS_FOLDER), str(profile)])
    assert done.exit_code == 1
    assert "-promotion: auto\n+promotion: approve\n" in done.output
    assert CliRunner().invoke(app, ["config", "diff", str(profile), str(profile)]).exit_code == 0


def test_config_show_prints_what_is_in_force(profile: Path) -> None:
    (profile / "weather.yaml").write_text("promotion: approve\n", "utf-8")

    done = CliRunner().invoke(app, ["config", "show", "weather", "--in", str(profile)])
    assert done.exit_code == 0
    assert "promotion: approve\n" in done.output
    assert "max_bad_share: 0.5\n" in done.output
