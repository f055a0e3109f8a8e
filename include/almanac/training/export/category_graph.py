"""Writes the tables of a `CategoryEncoder` into the graph: the version carries its mappings of categories."""

from typing import Any

_LABEL_ENCODER_OPSET = 2


def register_category_encoder() -> None:
    """Let skl2onnx know how a `CategoryEncoder` is written."""
    from skl2onnx import update_registered_converter

    from almanac.training.fit.category_encoder import CategoryEncoder

    update_registered_converter(CategoryEncoder, "AlmanacCategoryEncoder", _shape, _convert)


def _shape(operator: Any) -> None:
    from skl2onnx.common.data_types import FloatTensorType

    operator.outputs[0].type = FloatTensorType([None, len(operator.raw_operator.sources())])


def _convert(scope: Any, operator: Any, container: Any) -> None:
    """Columns in their order: those that stay by one Gather each stretch, each encoded one by its table."""
    import numpy as np

    encoder, source = operator.raw_operator, operator.inputs[0].full_name
    parts: list[str] = []
    start = 0
    for at, column in enumerate(encoder.columns):
        position = column["position"]
        parts += _kept(scope, container, source, np.arange(start, position))
        parts.append(_looked_up(scope, container, source, position, encoder.codes_[at], encoder.tables_[at]))
        start = position + 1
    parts += _kept(scope, container, source, np.arange(start, encoder.n_features_in_))
    container.add_node("Concat", parts, operator.outputs[0].full_name, name=scope.get_unique_operator_name("c"), axis=1)


def _constant(scope: Any, container: Any, values: Any) -> str:
    import numpy as np
    from onnx import TensorProto

    name: str = scope.get_unique_variable_name("category_table")
    kind = TensorProto.INT64 if np.issubdtype(values.dtype, np.integer) else TensorProto.FLOAT
    container.add_initializer(name, kind, list(values.shape), values.ravel().tolist())
    return name


def _made(scope: Any, container: Any, operation: str, inputs: list[str], **attributes: Any) -> str:
    name: str = scope.get_unique_variable_name("category")
    attributes = {"op_version": container.target_opset_any_domain(""), **attributes}
    container.add_node(operation, inputs, name, name=scope.get_unique_operator_name(operation), **attributes)
    return name


def _kept(scope: Any, container: Any, source: str, positions: Any) -> list[str]:
    if not len(positions):
        return []
    return [_made(scope, container, "Gather", [source, _constant(scope, container, positions)], axis=1)]


def _looked_up(scope: Any, container: Any, source: str, position: int, codes: Any, table: Any) -> str:
    """The lines of a table for one column's codes, [n, w]."""
    import numpy as np

    column = _made(scope, container, "Gather", [source, _constant(scope, container, np.array(position))], axis=1)
    line = _made(
        scope,
        container,
        "LabelEncoder",
        [column],
        op_domain="ai.onnx.ml",
        op_version=_LABEL_ENCODER_OPSET,
        # without a known code there is still a pair: an empty mapping is no valid node
        keys_floats=[*codes.tolist(), -1.0],
        values_int64s=[*range(len(codes)), len(codes)],
        default_int64=len(codes),
    )
    unknown = _made(scope, container, "IsNaN", [column])
    place = _made(scope, container, "Where", [unknown, _constant(scope, container, np.array(len(codes) + 1)), line])
    return _made(scope, container, "Gather", [_constant(scope, container, table), place], axis=0)
