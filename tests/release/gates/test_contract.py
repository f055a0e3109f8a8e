"""The graph keeps its contract; each breach is made in a real graph and seen."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from almanac.config.sections.features import names_of
from almanac.release.gates import judge
from tests.release.gates.evaluations import mlmodel, only, refused


@pytest.fixture
def breach(weather, evaluate, served) -> Callable[..., dict[str, str]]:
    """`breach(operators)`: refusals when the graph's probabilities go through these operators first."""

    def breached(*operators: tuple[str, ...], **constants: np.ndarray) -> dict[str, str]:
        graph = onnx.load_from_string(served.onnx)
        for node in graph.graph.node:
            node.output[:] = ["inner" if name == "probabilities" else name for name in node.output]
        for name, value in constants.items():
            graph.graph.initializer.append(numpy_helper.from_array(value, name))
        for kind, *inputs, output in operators:
            graph.graph.node.append(helper.make_node(kind, inputs, [output]))
        changed = replace(served, onnx=graph.SerializeToString())
        return refused(judge(weather, evaluate(served=changed)))

    return breached


def test_contract_of_a_good_graph_is_kept(weather, evaluate) -> None:
    kept = [one for one in judge(weather, evaluate()) if one.name.startswith("contract")]
    assert [(one.name, one.reason) for one in kept] == [
        (f"contract[{name}]", "kept")
        for name in ("signature", "columns", "answers", "empty batch", "unknown values", "rows alone")
    ]


@pytest.mark.parametrize("text", [mlmodel(6), mlmodel(13, "float64")])
def test_contract_signature_of_another_form_refuses(weather, evaluate, served, text: str) -> None:
    evaluation = evaluate(served=replace(served, mlmodel=text))
    assert "MLflow's signature is" in only(judge(weather, evaluation), "contract[signature]")


def test_contract_without_a_signature_refuses(weather, evaluate, served) -> None:
    evaluation = evaluate(served=replace(served, mlmodel="flavors: {}"))
    assert "cannot be computed: KeyError" in only(judge(weather, evaluation), "contract[signature]")


def test_contract_graph_for_other_columns_refuses(weather, evaluate) -> None:
    fewer = weather.model_copy(update={"features": weather.features[:-1]})
    reasons = refused(judge(fewer, evaluate()))
    assert "the graph takes ['Temperature_C'" in reasons["contract[columns]"]


def test_contract_graph_of_width_six_for_more_features_refuses(weather, evaluate, served) -> None:
    graph = onnx.load_from_string(served.onnx)
    graph.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 6
    evaluation = evaluate(served=replace(served, onnx=graph.SerializeToString()))
    assert "IntegrityError" in refused(judge(weather, evaluation))["contract"]


def test_contract_nan_for_some_rows_refuses(breach) -> None:
    reasons = breach(("Sub", "inner", "half", "x"), ("Sqrt", "x", "probabilities"), half=np.float32(0.5))
    assert "give a probability that is NaN or outside [0, 1]" in reasons["contract[answers]"]


def test_contract_figures_that_are_no_probabilities_refuse(breach) -> None:
    reasons = breach(("Mul", "inner", "two", "probabilities"), two=np.float32(2))
    assert "give a probability that is NaN or outside [0, 1]" in reasons["contract[answers]"]


def test_contract_probabilities_that_do_not_add_up_refuse(breach) -> None:
    reasons = breach(("Mul", "inner", "half", "probabilities"), half=np.float32(0.5))
    assert "do not add up to 1" in reasons["contract[answers]"]


def test_contract_fewer_answers_than_rows_refuse(breach) -> None:
    reasons = breach(
        ("Slice", "inner", "zero", "minus_one", "zero", "probabilities"), zero=np.array([0]), minus_one=np.array([-1])
    )
    assert "2160 rows give (2160,) labels and (2159, 2) probabilities" in reasons["contract[answers]"]


def test_contract_scaler_fitted_while_it_scores_refuses(breach) -> None:
    """A published example scales each request by its own mean: a row's answer hangs on its neighbours."""
    reasons = breach(
        ("ReduceMean", "inner", "rows", "mean"),
        ("Mul", "mean", "half", "a"),
        ("Mul", "inner", "half", "b"),
        ("Add", "a", "b", "probabilities"),
        rows=np.array([0]),
        half=np.float32(0.5),
    )
    assert "rows scored alone differ by" in reasons["contract[rows alone]"]


def test_contract_graph_that_cannot_answer_nothing_refuses(breach) -> None:
    reasons = breach(
        ("Gather", "inner", "first", "row"),
        ("Mul", "row", "zero", "none"),
        ("Add", "inner", "none", "probabilities"),
        first=np.array([0]),
        zero=np.float32(0),
    )
    assert "cannot be computed" in reasons["contract[empty batch]"]


def test_contract_graph_without_an_imputer_refuses_unknown_values(weather, evaluate, served) -> None:
    graph = onnx.load_from_string(served.onnx)
    imputer = next(node for node in graph.graph.node if node.op_type == "Imputer")
    for node in graph.graph.node:
        node.input[:] = [imputer.input[0] if name == imputer.output[0] else name for name in node.input]
    graph.graph.node.remove(imputer)
    evaluation = evaluate(served=replace(served, onnx=graph.SerializeToString()))
    assert "NaN" in refused(judge(weather, evaluation))["contract[unknown values]"]


def test_contract_without_a_graph_refuses(weather, evaluate) -> None:
    assert only(judge(weather, evaluate(served=None)), "contract") == "there is no graph to check"


def test_contract_width_of_the_signature_is_that_of_the_features(small) -> None:
    assert f"-1, {len(names_of(small.features))}" in mlmodel(len(names_of(small.features)))
