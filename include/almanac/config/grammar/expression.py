"""The conditions of `dataset.rules`: comparisons, arithmetic, `and`, `or`, `not`, `in`, `abs`, and columns by name.

Read with Python's own parser and never evaluated by Python: what is not in this grammar is refused.
"""

import ast
import operator
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import polars as pl

_COMPARE = (ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.Eq, ast.NotEq, ast.In, ast.NotIn)
_CONSTANTS: dict[type, str] = {int: "number", float: "number", str: "string"}  # True is an int to isinstance only
_ARITHMETIC = (ast.Add, ast.Sub, ast.Mult, ast.Div)
_GRAMMAR = "columns, numbers, texts, + - * /, < <= > >= == !=, in [..], and, or, not, abs(..), column('..')"
_MAX_LENGTH = 500


def check_expression(
    text: str, types: Mapping[str, str], *, where: str, wanted: Literal["truth", "number"] = "truth"
) -> None:
    """Refuse what is not a condition on these columns, or no number.

    Args:
        text: e.g. `Apparent_Temperature_C <= Temperature_C + 15`.
        types: the declared type of each column.
        where: for the message.
        wanted: a condition, or a number.

    Raises:
        ValueError: it is not.
    """
    if len(text) > _MAX_LENGTH:
        raise ValueError(f"{where}: too long; got {len(text)} signs, expected at most {_MAX_LENGTH}")
    try:
        kind = _kind(ast.parse(text, mode="eval").body, types)
    except (SyntaxError, RecursionError) as error:
        raise ValueError(f"{where}: cannot be read: {error}; got {text!r}, expected {_GRAMMAR}") from error
    except ValueError as error:
        raise ValueError(f"{where}: {error}; got {text!r}, expected {_GRAMMAR}") from error
    if kind != wanted:
        expected = "a comparison" if wanted == "truth" else "a column or arithmetic"
        raise ValueError(
            f"{where}: not a {'condition' if wanted == 'truth' else wanted}; got {text!r}, expected {expected}"
        )


def compile_expression(text: str) -> "pl.Expr":
    """A checked condition as an expression: true, false, or null where a value that it needs is empty."""
    compiled: pl.Expr = _compile(ast.parse(text, mode="eval").body)
    return compiled


def columns_of(text: str) -> tuple[str, ...]:
    """The columns that a checked expression reads."""
    return tuple(dict.fromkeys(compile_expression(text).meta.root_names()))


def _kind(node: ast.expr, types: Mapping[str, str]) -> str:
    match node:
        case ast.Name() | ast.Call(func=ast.Name(id="column")):
            name = _column(node)
            if name not in types:
                raise ValueError(f"no column {name!r}, declared are {list(types)}")
            return "number" if types[name] in ("float", "integer") else types[name]
        case ast.Constant(value=value) if type(value) in _CONSTANTS:
            return _CONSTANTS[type(value)]
        case (
            ast.UnaryOp(op=ast.USub(), operand=operand) | ast.Call(func=ast.Name(id="abs"), args=[operand], keywords=[])
        ):
            return _need(operand, "number", types)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return _need(operand, "truth", types)
        case ast.BinOp(op=op, left=left, right=right) if isinstance(op, _ARITHMETIC):
            _need(left, "number", types)
            return _need(right, "number", types)
        case ast.BoolOp(values=values):
            for part in values:
                _need(part, "truth", types)
            return "truth"
        case ast.Compare(left=left, ops=[op], comparators=[right]) if isinstance(op, _COMPARE):
            return _comparison(left, op, right, types)
    raise ValueError(f"{ast.unparse(node)} is not in the grammar")


def _comparison(left: ast.expr, op: ast.cmpop, right: ast.expr, types: Mapping[str, str]) -> str:
    kind = _kind(left, types)
    if isinstance(op, ast.In | ast.NotIn):
        if not isinstance(right, ast.List) or not right.elts:
            raise ValueError(f"{ast.unparse(right)} is not a list")
        for element in right.elts:
            if not isinstance(element, ast.Constant | ast.UnaryOp):
                raise ValueError(f"{ast.unparse(element)} is not a number or a text")  # noqa: TRY004 - pydantic's way
            _need(element, kind, types)
    else:
        _need(right, kind, types)
    if kind == "truth":
        raise ValueError("conditions cannot be compared with each other")
    return "truth"


def _need(node: ast.expr, kind: str, types: Mapping[str, str]) -> str:
    found = _kind(node, types)
    if found != kind:
        raise ValueError(f"{ast.unparse(node)} is a {found}, not a {kind}")
    return found


def _column(node: ast.expr) -> str:
    match node:
        case ast.Name(id=name):
            return name
        case ast.Call(args=[ast.Constant(value=str() as name)], keywords=[]):
            return name
    raise ValueError(f"{ast.unparse(node)} names no column")


def _compile(node: ast.expr) -> Any:
    import polars as pl

    match node:
        case ast.Name() | ast.Call(func=ast.Name(id="column")):
            return pl.col(_column(node))
        case ast.Constant(value=value):
            return pl.lit(value)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_compile(operand)
        case ast.Call(args=[operand]):
            return _compile(operand).abs()
        case ast.UnaryOp(operand=operand):
            return ~_compile(operand)
        case ast.BoolOp(op=op, values=values):
            parts = [_compile(value) for value in values]
            return pl.all_horizontal(parts) if isinstance(op, ast.And) else pl.any_horizontal(parts)
        case ast.BinOp(op=op, left=left, right=right):
            return _binary(type(op), _compile(left), _compile(right))
        case ast.Compare(left=left, ops=[op], comparators=[ast.List(elts=elements)]):
            among = _compile(left).is_in([ast.literal_eval(element) for element in elements])
            return among if isinstance(op, ast.In) else ~among
        case ast.Compare(left=left, ops=[op], comparators=[right]):
            return _binary(type(op), _compile(left), _compile(right))
    raise ValueError(f"{ast.unparse(node)} is not in the grammar")


def _binary(op: type[ast.AST], left: Any, right: Any) -> Any:
    names: dict[type[ast.AST], str] = {
        ast.Add: "add",
        ast.Sub: "sub",
        ast.Mult: "mul",
        ast.Div: "truediv",
        ast.Lt: "lt",
        ast.LtE: "le",
        ast.Gt: "gt",
        ast.GtE: "ge",
        ast.Eq: "eq",
        ast.NotEq: "ne",
    }
    return getattr(operator, names[op])(left, right)
