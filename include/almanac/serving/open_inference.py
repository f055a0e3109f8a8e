"""Requests and answers of the Open Inference Protocol (V2, JSON): columns as tensors, for tools that speak it.

The same rows, checks and answers as of `/v1`. Each input is one column, of shape [n] or [n, 1].
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version as version_of
from typing import TYPE_CHECKING, Any

from almanac.config.grammar.label_kind import NUMBER, YES_NO
from almanac.serving.history import own_columns

if TYPE_CHECKING:
    from almanac.config.schema import Model
    from almanac.serving.engine import Reply

_DATATYPES = {"float": "FP64", "integer": "INT64", "string": "BYTES", "timestamp": "BYTES"}
_INTEGERS = ("INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64")
_PYTHON: Mapping[str, tuple[type, ...]] = {
    "BOOL": (bool,),
    "BYTES": (str,),
    **dict.fromkeys(_INTEGERS, (int,)),
    **dict.fromkeys(("FP16", "FP32", "FP64"), (float, int)),
}
_FORM = '{"inputs": [{"name": column, "datatype": "FP64", "shape": [rows], "data": [value, ...]}, ...]}'


@dataclass(frozen=True)
class AskedTable:
    """Rows that are asked about.

    Attributes:
        rows: by column name.
        id: as the caller named the request; None: not at all.
        outputs: that are wanted; empty: all.
    """

    rows: list[dict[str, object]]
    id: str | None = None
    outputs: tuple[str, ...] = ()


def describe_server() -> dict[str, object]:
    """What the server is; it has no extensions."""
    return {"name": "almanac", "version": version_of("almanac"), "extensions": []}


def describe_model(model: "Model", version: str | None) -> dict[str, object]:
    """The inputs and outputs of a model; `version`: the one that answers."""
    delivered = model.dataset.delivered
    names = [name for name in own_columns(model) if name in delivered]
    names += [model.rollout.unit] if model.rollout and model.rollout.unit not in names else []
    inputs = [{"name": name, "datatype": _DATATYPES[delivered[name].type], "shape": [-1]} for name in names]
    outputs = [{"name": name, "datatype": kind, "shape": [-1]} for name, kind in _outputs(model).items()]
    versions = [] if version is None else [version]
    return {"name": model.name, "versions": versions, "platform": "almanac_onnx", "inputs": inputs, "outputs": outputs}


def read_infer(model: "Model", body: bytes, most: int) -> AskedTable | str:
    """The rows of a request; a text that says why it is none."""
    import msgspec

    try:
        content = msgspec.json.decode(body)
    except msgspec.DecodeError as error:
        return f"the body is no JSON: {error}; expected {_FORM}"
    inputs = content.get("inputs") if isinstance(content, dict) else None
    if not isinstance(inputs, list) or not inputs or not all(isinstance(one, dict) for one in inputs):
        return f"got no inputs, expected {_FORM}"
    if unknown := sorted(content.keys() - {"id", "parameters", "inputs", "outputs"}):
        return f"got {unknown[0][:100]!r}, expected id, parameters, inputs and outputs alone"
    columns: dict[str, list[object]] = {}
    for one in inputs:
        name, values = str(one.get("name"))[:100], _values(one)
        if isinstance(values, str):
            return f"input {name!r}: {values}"
        if name in columns:
            return f"input {name!r}: given twice, expected each column once"
        columns[name] = values
    lengths = sorted({len(values) for values in columns.values()})
    if len(lengths) > 1 or not 1 <= lengths[0] <= most:
        return f"got inputs of {lengths} rows, expected all of one length, 1 to {most} (serve.max_rows)"
    wanted = _wanted(model, content.get("outputs"))
    if isinstance(wanted, str):
        return wanted
    rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    return AskedTable(rows, None if content.get("id") is None else str(content["id"])[:200], wanted)


def say_infer(model: "Model", asked: AskedTable, reply: "Reply") -> dict[str, object]:
    """The answer: where a row has none, null in each output but `id`; without a version where several have answered."""
    outputs = {name: kind for name, kind in _outputs(model).items() if not asked.outputs or name in asked.outputs}
    tensors = [
        {
            "name": name,
            "datatype": kind,
            "shape": [len(reply.answers)],
            "data": [one.get(name) for one in reply.answers],
        }
        for name, kind in outputs.items()
    ]
    named = {} if reply.version is None else {"model_version": reply.version}
    given = {} if asked.id is None else {"id": asked.id}
    return {"model_name": model.name, **named, **given, "parameters": {"arm": reply.arm}, "outputs": tensors}


def _outputs(model: "Model") -> dict[str, str]:
    """The datatype of each output."""
    label, found = model.label, {"id": "BYTES", model.label.kind.prediction_column: "FP64"}
    if label.kind is NUMBER:
        return found
    each = {} if label.kind is YES_NO else dict.fromkeys(label.probability_columns.values(), "FP64")
    return {**found, "label": "INT64" if label.kind is YES_NO else "BYTES", **each}


def _wanted(model: "Model", outputs: Any) -> tuple[str, ...] | str:
    if outputs is None:
        return ()
    known, names = list(_outputs(model)), []
    for one in outputs if isinstance(outputs, list) else [None]:
        name = one.get("name") if isinstance(one, dict) else None
        if name not in known:
            return f"outputs: got {str(name)[:100]!r}, expected names of {known}"
        names.append(name)
    return tuple(names)


def _values(tensor: Mapping[str, Any]) -> list[object] | str:
    """The values of an input; a text that says what is wrong."""
    kind, shape, data = tensor.get("datatype"), tensor.get("shape"), tensor.get("data")
    if not isinstance(kind, str) or kind not in _PYTHON:
        return f"got datatype {str(kind)[:20]!r}, expected one of {list(_PYTHON)}"
    if not isinstance(data, list) or not isinstance(shape, list):
        return f"expected lists `shape` and `data`; {_FORM}"
    flat = [one[0] if isinstance(one, list) and len(one) == 1 else one for one in data]
    if shape not in ([len(flat)], [len(flat), 1]):
        return f"got shape {str(shape)[:50]} for {len(flat)} values, expected [{len(flat)}]"
    wrong = next((row for row, value in enumerate(flat) if not _is(value, _PYTHON[kind])), None)
    if wrong is not None:
        return f"row {wrong}: got {str(flat[wrong])[:50]!r}, expected {kind} or null"
    return flat


def _is(value: object, kinds: Sequence[type]) -> bool:
    return value is None or (isinstance(value, tuple(kinds)) and (isinstance(value, bool) is (bool in kinds)))
