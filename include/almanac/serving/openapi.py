"""What may be asked, as an OpenAPI document made from the models' YAML."""

from collections.abc import Iterable
from importlib.metadata import version

from almanac.config.grammar.label_kind import NUMBER, YES_NO
from almanac.config.schema import Model
from almanac.config.sections.dataset import Column
from almanac.serving.feedback import MOST_OUTCOMES
from almanac.serving.history import own_columns

_TYPES = {"float": "number", "integer": "integer", "string": "string", "timestamp": "string"}
_TOKEN: list[dict[str, list[str]]] = [{"token": []}]


def describe(models: Iterable[Model]) -> dict[str, object]:
    """The document; its rows have the columns that features read, with the limits that ingest holds them to."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "Almanac", "version": version("almanac")},
        "components": {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
        "paths": {
            f"/v1/models/{model.name}/{name}": {"post": describes(model)}
            for model in models
            for name, describes in (("predict", _predict), ("feedback", _feedback))
        },
    }


def _predict(model: Model) -> dict[str, object]:
    delivered = model.dataset.delivered
    columns = {name: delivered[name] for name in own_columns(model) if name in delivered}
    unit = {model.rollout.unit} - columns.keys() if model.rollout else ()
    row = {
        "type": "object",
        "properties": {
            name: _column(column) for name, column in {**columns, **{n: delivered[n] for n in unit}}.items()
        },
        "required": [name for name, column in columns.items() if not column.nullable],
    }
    most = model.serve.max_rows if model.serve else None
    rows = {"type": "array", "items": row, "minItems": 1, "maxItems": most}
    body = {"type": "object", "properties": {"rows": rows}, "required": ["rows"], "additionalProperties": False}
    answer = {
        "type": "object",
        "properties": {
            "id": {"type": "string", "description": "Names this answer in the log."},
            model.label.kind.prediction_column: {"type": ["number", "null"]},
            **_label(model),
            **({"version": {"type": "string"}, "arm": {"type": "string"}} if model.rollout else {}),
            "missing": {"type": "array", "items": {"type": "string"}},
            "warnings": {"type": "array", "items": {"type": "string"}},
        },
    }
    said = {
        "type": "object",
        "properties": {
            "model": {"type": "string"},
            "version": {"type": ["string", "null"], "description": "Null: several versions have answered."},
            "arm": {"enum": ["champion", "challenger", "mixed"]},
            "predictions": {"type": "array", "items": answer},
        },
    }
    return {
        "summary": model.title,
        "description": model.description,
        "security": _TOKEN,
        "requestBody": {"required": True, "content": {"application/json": {"schema": body}}},
        "responses": {
            "200": {"description": "An answer for each row.", "content": {"application/json": {"schema": said}}},
            "400": {"description": "The body is not of this form."},
            "401": {"description": "No token that is good."},
            "404": {"description": "No model of this name is served to this caller."},
            "413": {"description": "The body is too large."},
            "422": {"description": "Rows that ingest would not publish; `problems` names row, column, got, expected."},
            "429": {"description": "Too many requests wait, or were sent by this caller; see Retry-After."},
            "503": {"description": "Nothing to answer with now, or the dataset is too old; see Retry-After."},
        },
    }


def _feedback(model: Model) -> dict[str, object]:
    """What became of answers."""
    label = model.label
    if label.kind is NUMBER:
        outcome: dict[str, object] = {"type": "number"}
    else:
        outcome = {"enum": [0, 1] if label.kind is YES_NO else list(label.classes or ())}
    names = ["id", "outcome"]
    one = {
        "type": "object",
        "properties": {"id": {"type": "string", "description": "Of the answer."}, "outcome": outcome},
        "required": names,
        "additionalProperties": False,
    }
    outcomes = {"type": "array", "items": one, "minItems": 1, "maxItems": MOST_OUTCOMES}
    body = {
        "type": "object",
        "properties": {"outcomes": outcomes},
        "required": ["outcomes"],
        "additionalProperties": False,
    }
    return {
        "summary": f"Outcomes of answers: {label.question}",
        "security": _TOKEN,
        "requestBody": {"required": True, "content": {"application/json": {"schema": body}}},
        "responses": {
            "202": {"description": "They are on the disk; of several with one id the first counts."},
            "401": {"description": "No token that is good."},
            "404": {"description": "No model of this name is served to this caller."},
            "413": {"description": "The body is too large."},
            "422": {"description": "They are not of this form; none was recorded."},
            "503": {"description": "The disk refuses; see Retry-After."},
        },
    }


def _label(model: Model) -> dict[str, object]:
    """What an answer has beside the probability or the number."""
    label = model.label
    if label.kind is NUMBER:
        return {}
    if label.kind is YES_NO:
        return {"label": {"enum": [0, 1, None]}}
    each = {column: {"type": ["number", "null"]} for column in label.probability_columns.values()}
    return {"label": {"enum": [*(label.classes or ()), None]}, **each}


def _column(column: Column) -> dict[str, object]:
    kind = _TYPES[column.type]
    found: dict[str, object] = {"type": [kind, "null"] if column.nullable else kind}
    if column.type == "timestamp":
        found["description"] = column.description or f"a time, e.g. {column.time_format.example}"
    elif column.description:
        found["description"] = column.description
    limits = {"minimum": column.min, "maximum": column.max, "enum": column.values and list(column.values)}
    return {**found, **{name: limit for name, limit in limits.items() if limit is not None}}
