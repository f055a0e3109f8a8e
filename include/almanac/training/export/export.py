"""Writes a fitted pipeline as one ONNX graph: float32 in, probabilities or numbers out."""

import copy
import json
from typing import TYPE_CHECKING, Any

from almanac.config.grammar.label_kind import NUMBER
from almanac.config.grammar.types import format_duration
from almanac.config.schema import Model
from almanac.errors import ConfigError, DataError
from almanac.features.own import own_of
from almanac.registry.onnx_model import (
    CLASSES_KEY,
    CODE_KEY,
    FEATURES_KEY,
    INPUT,
    LABELS,
    NUMBERS,
    OWN_KEY,
    PROBABILITIES,
    THRESHOLD_KEY,
)
from almanac.statistics.metrics import THRESHOLD
from almanac.training.export.category_graph import register_category_encoder
from almanac.training.export.decision_border import with_threshold
from almanac.training.export.finished_graph import finished_graph
from almanac.training.export.xgboost_graph import register_xgboost
from almanac.training.fit.candidates import encoder_of, members_of

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

OPSET = {"": 21, "ai.onnx.ml": 3}
"""Pinned, so that a newer library gives the same graph for the same pipeline."""


def export_onnx(
    model: Model, pipeline: "Pipeline", features: tuple[str, ...], *, threshold: float = THRESHOLD
) -> bytes:
    """Convert a fitted pipeline and check the graph.

    Args:
        model: its label and horizon go into the graph's metadata.
        pipeline: fitted on float32 [n, k].
        features: the k names.
        threshold: the probability from which on the graph's label is 1.

    Returns:
        The graph; `OnnxModel` reads it.

    Raises:
        ConfigError: skl2onnx has no converter for the estimator.
        DataError: the pipeline lacks a class, or has them in another order.
    """
    import onnx

    _check_classes(model, pipeline)
    is_finished = hasattr(pipeline[-1], "graph")  # a program has written it
    graph = finished_graph(pipeline[-1].graph) if is_finished else _converted(model, pipeline, len(features))
    if model.label.kind is not NUMBER and threshold != THRESHOLD:
        graph = with_threshold(graph, threshold)
    _allow_empty_batches(graph)
    metadata = {
        FEATURES_KEY: json.dumps(features),
        THRESHOLD_KEY: repr(threshold),
        "almanac.model": model.name,
        "almanac.label": model.label.name,
        "almanac.label_column": model.label.column,
        "almanac.label_equals": model.label.equals or "",
        "almanac.horizon": format_duration(model.label.horizon),
    }
    if (own := own_of(model)) is not None:
        metadata |= {CODE_KEY: own.sha256, OWN_KEY: own.model_dump_json()}
    if model.label.classes is not None:
        metadata[CLASSES_KEY] = json.dumps(model.label.classes)
    onnx.helper.set_model_props(graph, metadata)
    if not is_finished:  # whose domains may be others
        onnx.checker.check_model(graph, full_check=True)
        _check_operators(model, graph)
    _check_form(model, graph, len(features))
    return bytes(graph.SerializeToString(deterministic=True))


def _converted(model: Model, pipeline: "Pipeline", width: int) -> Any:
    """The graph of a pipeline, with our names of inputs and outputs."""
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import FloatTensorType
    from skl2onnx.common.exceptions import MissingConverter, MissingShapeCalculator

    converted = _convertible(pipeline)
    try:
        graph = to_onnx(
            converted,
            initial_types=[(INPUT, FloatTensorType([None, width]))],
            options=None if model.label.kind is NUMBER else {id(converted): {"zipmap": False}},
            target_opset=OPSET,
            name=model.name,  # a random name would give equal pipelines different bytes
        )
    except Exception as error:  # what a converter raises on what it cannot write, whatever class it is of
        is_known = isinstance(error, MissingConverter | MissingShapeCalculator)
        if not is_known and not any(one.listed for one in model.train.estimators.values()):
            raise
        raise ConfigError(
            f"{model.name}: {type(pipeline[-1]).__name__} cannot be converted to ONNX: {error}. "
            "Choose an estimator of include/almanac/config/grammar/estimators.py, or other parameters"
        ) from error
    if model.label.kind is NUMBER:
        _name_output(graph, NUMBERS)
    return graph


def _check_classes(model: Model, pipeline: "Pipeline") -> None:
    """Refuse a pipeline whose column i of the probabilities is not of the declared class i."""
    names = model.label.classes
    if names is None:
        return
    found = [int(one) for one in pipeline[-1].classes_]
    if found == list(range(len(names))):
        return
    if absent := [name for position, name in enumerate(names) if position not in found]:
        raise DataError(
            f"{model.name}: no training row has the class {', '.join(absent)}, so {type(pipeline[-1]).__name__} cannot"
            f" predict it; expected all of {list(names)}. Land rows of it, lengthen train.window, or remove it from"
            " label.classes"
        )
    raise DataError(
        f"{model.name}: {type(pipeline[-1]).__name__} has its classes in the order {found}, expected"
        f" {list(range(len(names)))}: their positions in label.classes. Fit it on such labels"
    )


def _convertible(pipeline: "Pipeline") -> "Pipeline":
    """The pipeline as the converters take it; skl2onnx gets to know the converter of an estimator that it lacks."""
    from sklearn.pipeline import Pipeline

    if encoder_of(pipeline) is not None:
        register_category_encoder()
    estimator = pipeline[-1]
    if members := members_of(estimator):
        estimator = copy.copy(estimator)
        estimator.estimators_ = [_convertible(member) for member in members]
    elif hasattr(estimator, "booster_"):
        _register_lightgbm()
        estimator = _with_float32_splits(estimator)
    elif hasattr(estimator, "get_booster"):
        register_xgboost()
        return pipeline
    else:
        return pipeline
    return Pipeline([*pipeline.steps[:-1], (pipeline.steps[-1][0], estimator)])


def _with_float32_splits(estimator: Any) -> Any:
    """A copy whose splits are float32, each rounded down: `x <= split` is the same for each float32 x.

    The converter rounds to the nearest, so that a value between the two would go to the other side.
    """
    import numpy as np
    from lightgbm import Booster

    def rounded(text: str) -> str:
        exact = np.array(text.split(), np.float64)
        nearest = exact.astype(np.float32)
        down = np.where(nearest > exact, np.nextafter(nearest, np.float32(-np.inf)), nearest)
        return " ".join(repr(float(value)) for value in down)

    lines = estimator.booster_.model_to_string().split("\n")
    start = "threshold="
    lines = [start + rounded(line.removeprefix(start)) if line.startswith(start) else line for line in lines]
    lines = [line for line in lines if not line.startswith("tree_sizes=")]  # in bytes, which are others now
    made = copy.copy(estimator)
    made._Booster = Booster(model_str="\n".join(lines))
    return made


def _register_lightgbm() -> None:
    from lightgbm import LGBMClassifier, LGBMRegressor
    from onnxmltools.convert.lightgbm.operator_converters.LightGbm import convert_lightgbm
    from skl2onnx import update_registered_converter
    from skl2onnx.common.shape_calculator import (
        calculate_linear_classifier_output_shapes,
        calculate_linear_regressor_output_shapes,
    )

    update_registered_converter(
        LGBMClassifier,
        "LightGbmLGBMClassifier",
        calculate_linear_classifier_output_shapes,
        convert_lightgbm,
        options={"nocl": [True, False], "zipmap": [True, False, "columns"]},
    )
    update_registered_converter(
        LGBMRegressor,
        "LightGbmLGBMRegressor",
        calculate_linear_regressor_output_shapes,
        convert_lightgbm,
        options={"split": None},
    )


def _allow_empty_batches(graph: Any) -> None:
    """Make the graph accept a batch without rows.

    skl2onnx looks classes up with ArrayFeatureExtractor, which refuses an empty batch. Gather gives the same result for
    all others.
    """
    import onnx
    from onnx import helper

    vectors = {constant.name for constant in graph.graph.initializer if len(constant.dims) == 1}
    nodes = []
    for node in graph.graph.node:
        if node.op_type != "ArrayFeatureExtractor" or node.input[0] not in vectors:
            nodes.append(node)
            continue
        (values, positions), (found,) = node.input, node.output
        nodes += [
            helper.make_node("Reshape", [positions, "flat"], [f"{found}_flat"], name=f"{found}_flat"),
            helper.make_node(
                "Gather", [values, f"{found}_flat"], [f"{found}_gathered"], name=f"{found}_gather", axis=0
            ),
            helper.make_node("Reshape", [f"{found}_gathered", "one_row"], [found], name=f"{found}_row"),
        ]
    if len(nodes) > len(graph.graph.node):
        for name, shape in (("flat", [-1]), ("one_row", [1, -1])):
            graph.graph.initializer.append(helper.make_tensor(name, onnx.TensorProto.INT64, [len(shape)], shape))
        del graph.graph.node[:]
        graph.graph.node.extend(nodes)


def _name_output(graph: Any, name: str) -> None:
    """Rename the only output."""
    (output,) = graph.graph.output
    for node in graph.graph.node:
        for names in (node.output, node.input):
            for position, found in enumerate(names):
                if found == output.name:
                    names[position] = name
    output.name = name


def _check_form(model: Model, graph: Any, width: int) -> None:
    """Check names, types and width for `OnnxModel` and MLflow's signature.

    Raises:
        ConfigError: they differ.
    """
    from onnx import TensorProto

    def form(value: Any) -> tuple[str, int, int]:
        tensor = value.type.tensor_type
        return value.name, tensor.elem_type, tensor.shape.dim[-1].dim_value if len(tensor.shape.dim) > 1 else 1

    got = [form(value) for value in (*graph.graph.input, *graph.graph.output)]
    width_of_answer = model.label.class_count or 2
    classes = [(LABELS, TensorProto.INT64, 1), (PROBABILITIES, TensorProto.FLOAT, width_of_answer)]
    numbers = [(NUMBERS, TensorProto.FLOAT, 1)]
    wanted = [(INPUT, TensorProto.FLOAT, width), *(numbers if model.label.kind is NUMBER else classes)]
    if got != wanted:
        raise ConfigError(
            f"{model.name}: the graph's inputs and outputs: got {got}, expected {wanted}. Choose another estimator,"
            " or correct what exports the graph"
        )


def _check_operators(model: Model, graph: Any) -> None:
    """Check the pinned operators.

    Raises:
        ConfigError: they are others.
    """
    operators = {one.domain: one.version for one in graph.opset_import}
    if any(operators.get(domain, version) > version for domain, version in OPSET.items()):
        raise ConfigError(
            f"{model.name}: the graph's operators: got {operators}, expected {OPSET}. Install the pinned"
            " skl2onnx, or raise OPSET"
        )
