"""A team's own features: what is computed, that it is proved pure, and that only code of the models' folder is run."""

import shutil
from datetime import timedelta

import numpy as np
import polars as pl
import pytest
import yaml
from pydantic import ValidationError

from almanac.config import own_code
from almanac.config.files.declaration_cache import DeclarationCache
from almanac.config.files.loader import load_model, load_models
from almanac.config.files.profile import DEFAULTS
from almanac.config.home import MODELS_FOLDER
from almanac.config.schema import Model
from almanac.config.sections.features import names_of
from almanac.errors import ConfigError, DataError
from almanac.features.features import FeatureMatrix, build_features, history_needed
from almanac.features.own import own_of, own_sha256
from almanac.features.purity import check_purity
from almanac.registry.as_trained import as_trained
from almanac.registry.onnx_model import CODE_KEY, OWN_KEY, OnnxModel
from almanac.serving.history import _looked_back_by
from almanac.serving.served_model import _load
from almanac.training.candidate_passport import _features
from almanac.training.fingerprint import declaration_sha256
from almanac.training.train import train_candidate
from tests.training.number_labels.load import HOURS, LOAD, NOW, make_load

GOOD = """
import polars as pl


def features(rows: pl.DataFrame) -> pl.DataFrame:
    load = pl.col("Load")
    return rows.select(
        load.log1p().alias("log_load"),
        (load - load.shift(1)).alias("step"),
        load.rolling_mean_by("Hour", "6h").alias("mean_6h"),
    )
"""
OWN = {"own": ["log_load", "step", "mean_6h"], "columns": ["Load"], "history": "6h"}


def body(expression: str) -> str:
    """A file whose function returns one column `x`."""
    return (
        "import random, time\nimport polars as pl\nimport numpy as np\ncalls = [0]\n\n\n"
        "def features(rows: pl.DataFrame) -> pl.DataFrame:\n    calls[0] += 1\n"
        f"    return rows.select(x={expression})\n"
    )


@pytest.fixture
def declare(tmp_path):
    """`declare(code, feature)`: the model of the load, with this file beside its YAML."""

    def declared(code: str | None = GOOD, feature=OWN, **sections) -> Model:
        shutil.copy(MODELS_FOLDER / DEFAULTS, tmp_path)
        tree = yaml.safe_load(LOAD) | sections
        tree["features"] = [{"column": "Temperature"}, feature]
        (tmp_path / "load.yaml").write_text(yaml.safe_dump(tree), "utf-8")
        if code is not None:
            (tmp_path / "load.py").write_text(code, "utf-8")
        return load_model(tmp_path / "load.yaml")

    return declared


@pytest.fixture(scope="module")
def rows() -> pl.DataFrame:
    return make_load(24 * 20)


ONE = {"own": ["x"], "columns": ["Load"], "history": "0s"}


# --- what is computed


def test_columns_of_the_function_stand_in_their_places_whatever_the_order_of_rows(declare, rows) -> None:
    model = declare()
    matrix = build_features(model, rows)
    assert matrix.names == names_of(model.features) == ("Temperature", "log_load", "step", "mean_6h")
    np.testing.assert_allclose(matrix.values[:, 1], np.log1p(rows["Load"]), rtol=1e-6)
    assert np.isnan(matrix.values[0, 2])
    assert history_needed(model) == timedelta(hours=6)
    mixed = rows.sample(fraction=1, shuffle=True, seed=1)
    again = build_features(model, mixed)
    np.testing.assert_array_equal(again.values[np.argsort(again.times)], matrix.values)


def test_infinite_numbers_are_unknown(declare, rows) -> None:
    matrix = build_features(declare(body("pl.col('Load') * float('inf')"), ONE), rows)
    assert np.isnan(matrix.values[:, 1]).all()


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("pl.col('Nowhere')", "fails on 480 rows, in line 9: ColumnNotFoundError"),
        ("pl.col('Load').head(3)", r"got 3 rows of \['x'\], expected 480 rows"),
        ("pl.col('Load'), y=pl.lit(1)", r"got 480 rows of \['x', 'y'\]"),
        ("pl.col('Load').cast(pl.String)", "x is a String, expected numbers"),
        ("pl.col('Temperature')", "ColumnNotFoundError"),  # it gets what it declares, and no more
    ],
)
def test_function_that_returns_something_else_is_refused(declare, rows, expression: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        build_features(declare(body(expression), ONE), rows)


def test_function_that_returns_no_frame_is_refused(declare, rows) -> None:
    with pytest.raises(ConfigError, match="got NoneType, expected 480 rows"):
        build_features(declare("def features(rows):\n    pass\n", ONE), rows)


# --- that it is pure


def test_pure_function_passes_and_nothing_is_said(declare, rows) -> None:
    model = declare()
    check_purity(model, rows, seed=1)
    assert len(build_features(model, rows).values) == len(rows)


def test_rounding_of_running_sums_is_no_fault(declare, rows) -> None:
    model = declare(body("pl.col('Load') + 0.001 * random.random()"), ONE)
    check_purity(model, rows, seed=1)
    one, other = (build_features(model, rows).values for _ in range(2))
    assert (one != other).any()  # it is not the same, and within rounding


@pytest.mark.parametrize(
    ("expression", "history", "words"),
    [
        ("pl.col('Load').shift(-1)", "1h", "it sees later rows"),
        ("pl.col('Load') - pl.col('Load').mean()", "0s", "it sees later rows"),
        ("pl.col('Load').rank()", "0s", "it sees later rows"),
        ("pl.col('Load').shift(1)", "0s", "it looks further back than `history`"),
        ("pl.col('Load').cum_sum()", "6h", "it looks further back than `history`"),
        ("pl.col('Load') + random.random()", "0s", "must not use chance, the clock or a counter"),
        ("pl.col('Load') + time.monotonic_ns() % 1000003", "0s", "must not use chance, the clock or a counter"),
        ("calls[0] + 0 * pl.col('Load')", "0s", "a counter"),
    ],
)
def test_function_that_is_not_pure_is_refused(declare, rows, expression: str, history: str, words: str) -> None:
    model = declare(body(expression), {**ONE, "history": history})
    with pytest.raises(ConfigError, match=words) as refused:
        check_purity(model, rows, seed=1)
    assert "column x of the row of 2023-01-" in str(refused.value)  # column, row and time
    assert "(row " in str(refused.value)


def test_shuffled_later_rows_alone_unmask_a_function_that_remembers_what_it_saw(declare, rows) -> None:
    """Where later rows are missing, it says what it said of them before."""
    sly = """
seen = {}


def features(rows):
    ahead = rows.select(x=rows["Load"].shift(-1))
    if rows.height < 480:
        return seen["x"][: rows.height]
    return seen.setdefault("x", ahead) if ahead.equals(seen.get("x", ahead)) else ahead
"""
    with pytest.raises(ConfigError, match="on are shuffled: it sees later rows"):
        check_purity(declare(sly, {**ONE, "history": "1h"}), rows, seed=1)


def test_message_names_the_key_of_the_row(declare) -> None:
    frame = make_load(100).with_columns(Place=pl.lit("north"))
    section = yaml.safe_load(LOAD)["dataset"]
    columns = {**section["columns"], "Place": {"type": "string"}}
    model = declare(
        body("pl.col('Load').shift(-1)"),
        ONE,
        dataset={**section, "key": ["Place", "Hour"], "columns": columns},
    )
    with pytest.raises(
        ConfigError, match=r"load: load\.py: features\(\): column x of the row of .*, Place north \(row"
    ):
        check_purity(model, frame, seed=1)


def test_training_refuses_a_function_that_looks_ahead(declare) -> None:
    model = declare(body("pl.col('Load').shift(-4)"), {**ONE, "history": "4h"})
    with pytest.raises(ConfigError, match="it sees later rows"):
        train_candidate(model, make_load(HOURS), now=NOW, candidates=["ridge"])


# --- its hash is part of the version


@pytest.fixture
def trained(declare):
    model = declare()
    return model, train_candidate(model, make_load(HOURS), now=NOW, candidates=["ridge"])


def test_graph_is_served_by_the_code_that_it_was_trained_with_alone(declare, trained, rows) -> None:
    model, candidate = trained
    graph = OnnxModel(candidate.onnx)
    assert np.isfinite(graph.score(build_features(model, rows))).all()
    other = build_features(declare(GOOD + "\n# of another day\n"), rows)
    with pytest.raises(DataError, match=r"Put that version's file beside the model's YAML, as <model>\.<any word>\.py"):
        graph.score(other)
    with pytest.raises(DataError, match=r"got \(none\)"):
        graph.score(FeatureMatrix(other.names, other.values, other.times))


def test_graph_without_own_features_takes_no_matrix_of_such(declare, rows) -> None:
    plain = declare(feature={"column": "Load"})
    candidate = train_candidate(plain, make_load(HOURS), now=NOW, candidates=["ridge"])
    matrix = build_features(declare(), rows)
    with pytest.raises(DataError, match=r"SHA-256 \(none\)"):
        OnnxModel(candidate.onnx).score(matrix)


def test_changed_file_is_a_changed_declaration(declare) -> None:
    before, after = declare(), declare(GOOD.replace("6h", "5h"))
    assert declaration_sha256(before) != declaration_sha256(after)
    assert before.features != after.features  # so that a champion is not continued
    assert [one.name for one in _features(before)] == ["Temperature", "log_load", "step", "mean_6h"]


def test_request_gets_all_rows_of_the_history(declare) -> None:
    assert _looked_back_by(declare()) == []


# --- a version goes on with the code that it was trained with


@pytest.fixture
def changed(declare, trained, tmp_path, monkeypatch):
    """`changed(feature, former)`: the model once its file and maybe its declaration are others, in a new process."""

    def change(feature=OWN, *, former: str | None = GOOD, code: str = GOOD + "\n# of another day\n", **sections):
        monkeypatch.setattr(own_code, "_READ", {})
        if former is not None:
            (tmp_path / "load.former.py").write_text(former, "utf-8")
        return declare(code, feature, **sections), OnnxModel(trained[1].onnx)

    return change


def test_former_file_in_the_folder_makes_the_features_of_the_graph(changed, rows) -> None:
    model, graph = changed()
    read = as_trained(model, graph)
    assert graph.takes(build_features(read, rows))
    assert not graph.takes(build_features(model, rows))
    assert np.isfinite(graph.score(build_features(read, rows))).all()


def test_columns_and_history_are_those_of_the_version_too(changed) -> None:
    model, graph = changed({"own": ["x"], "columns": ["Load"], "history": "0s"}, code=body("pl.col('Load')"))
    own = own_of(as_trained(model, graph))
    assert (own.names, own.history) == (("log_load", "step", "mean_6h"), timedelta(hours=6))


@pytest.mark.parametrize("former", [None, GOOD + "# touched"])
def test_code_that_is_not_in_the_folder_is_not_used(changed, rows, former: str | None) -> None:
    model, graph = changed(former=former)
    assert as_trained(model, graph) is model
    with pytest.raises(DataError, match="Put that version's file beside"):
        graph.score(build_features(model, rows))


def test_graph_that_names_other_code_than_its_own_is_not_believed(changed) -> None:
    model, graph = changed()
    graph.metadata = {**graph.metadata, CODE_KEY: own_sha256(model)}
    assert as_trained(model, graph) is model


def test_columns_that_the_dataset_no_longer_has_leave_the_model_as_it_is(changed) -> None:
    model, graph = changed()
    graph.metadata = {**graph.metadata, OWN_KEY: graph.metadata[OWN_KEY].replace('"Load"', '"Gone"')}
    assert as_trained(model, graph) is model


def test_version_of_before_the_own_features_is_read_without_them(declare) -> None:
    plain = declare(feature={"column": "Load"})
    graph = OnnxModel(train_candidate(plain, make_load(HOURS), now=NOW, candidates=["ridge"]).onnx)
    assert own_of(as_trained(declare(), graph)) is None


def test_same_code_leaves_the_model_as_it_is(trained) -> None:
    model, candidate = trained
    assert as_trained(model, OnnxModel(candidate.onnx)) is model


def test_service_refuses_a_graph_of_other_code(changed, trained) -> None:
    model, graph = changed()
    with pytest.raises(DataError, match=r"load@1: its graph was trained with own features .* the two versions of a"):
        _load(model, "load@1", trained[1].onnx)
    assert _load(as_trained(model, graph), "load@1", trained[1].onnx).code == graph.code


def test_page_sees_a_changed_file_of_code(declare, tmp_path) -> None:
    declare()
    cache = DeclarationCache()
    (before,) = cache.load(tmp_path).models
    (tmp_path / "load.py").write_text(GOOD + "\n# of another day\n", "utf-8")
    (after,) = cache.load(tmp_path).models
    assert own_sha256(before) != own_sha256(after)


# --- what is run


def test_declaration_from_elsewhere_brings_no_code(declare, rows, monkeypatch) -> None:
    model = Model.model_validate(declare().model_dump())
    assert build_features(model, rows).code == own_sha256(model)
    monkeypatch.setattr(own_code, "_READ", {})
    strange = model.model_dump()
    strange["features"][1]["sha256"] = "0" * 64
    with pytest.raises(ConfigError, match="no file of the models' folder has the SHA-256 0000"):
        build_features(Model.model_validate(strange), rows)
    assert "code" not in strange["features"][1]


def test_reading_declarations_runs_nothing(declare, tmp_path) -> None:
    marker = tmp_path / "was_run"
    declare(f"open({str(marker)!r}, 'w')\n" + GOOD)
    assert not load_models(tmp_path).problems
    assert not marker.exists()


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (None, "No such file"),
        ("def features(rows", "no Python"),
        ("x = 1", "got 0 functions features, expected one"),
        ("def features(rows, more): pass", "expected one: def features"),
        ("# " + "x" * own_code.MAX_BYTES, "bytes, expected at most"),
    ],
)
def test_file_that_cannot_be_used_is_refused_when_it_is_declared(declare, code, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        declare(code)


def test_hash_in_a_yaml_file_is_refused(declare) -> None:
    with pytest.raises(ConfigError, match=r"sha256 is that of load\.py, and is filled in; remove it"):
        declare(feature={**OWN, "sha256": "0" * 64})


@pytest.mark.parametrize(
    ("feature", "words"),
    [
        ({**OWN, "columns": ["Nowhere"]}, "features must name declared columns"),
        ({**OWN, "own": ["x", "x"]}, "a name is given twice"),
        ({**OWN, "own": ["Temperature"]}, "two have the same name"),
        ({**OWN, "own": ["a b"]}, "own"),
    ],
)
def test_declaration_that_does_not_fit_is_refused(declare, feature, words: str) -> None:
    with pytest.raises((ConfigError, ValidationError), match=words):
        declare(feature=feature)


def test_label_of_its_own_row_is_no_column_of_own_features(declare) -> None:
    label = {"name": "load", "column": "Load", "horizon": "0s"}
    with pytest.raises(ConfigError, match="log_load contains the label itself, Load of its own row"):
        declare(label=label)


def test_own_features_of_rows_without_a_time_have_no_history() -> None:
    from tests.training.arrivals import PATIENTS
    from tests.training.number_labels.load import load_yaml

    feature = {"own": ["x"], "columns": ["age"], "history": "1h"}
    patients = load_yaml(PATIENTS).model_dump()
    patients["features"] = [*patients["features"], feature]
    with pytest.raises(ValidationError, match="x looks back in time; remove its history"):
        Model.model_validate(patients)
