"""Rules that combine triggers: `arrival or (tides and nightly)`."""

import ast
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal


@dataclass(frozen=True)
class Named:
    """One trigger, by its name."""

    name: str


@dataclass(frozen=True)
class Combined:
    """Several rules: any of them, or all of them since the last run."""

    operator: Literal["and", "or"]
    parts: "tuple[Rule, ...]"


Rule = Named | Combined


@lru_cache(maxsize=1024)
def parse_rule(text: str) -> Rule:
    """Read a rule: names, `and`, `or`, parentheses; nothing is executed.

    Raises:
        ValueError: it is none.
    """
    try:
        return _rule(ast.parse(text.strip(), mode="eval").body)
    except (SyntaxError, TypeError) as error:
        raise ValueError(
            f"not a rule; got {text!r}, expected names joined by 'and' and 'or', e.g. 'arrival or (tides and nightly)'"
        ) from error


def names(rule: Rule) -> Iterator[str]:
    """Every name of a rule, from left to right, as often as it stands there."""
    if isinstance(rule, Named):
        yield rule.name
    else:
        for part in rule.parts:
            yield from names(part)


def holds(rule: Rule, met: Collection[str]) -> bool:
    """Whether a rule is fulfilled by the names that have come true."""
    if isinstance(rule, Named):
        return rule.name in met
    parts = [holds(part, met) for part in rule.parts]
    return all(parts) if rule.operator == "and" else any(parts)


def conjoined(rule: Rule, *, inside: bool = False) -> frozenset[str]:
    """The names that stand somewhere below an `and`."""
    if isinstance(rule, Named):
        return frozenset({rule.name}) if inside else frozenset()
    below = inside or rule.operator == "and"
    return frozenset().union(*(conjoined(part, inside=below) for part in rule.parts))


def alternatives(rule: Rule) -> tuple[Rule, ...]:
    """The rules of which each triggers: the parts of an `or` at the top, else the rule itself."""
    if isinstance(rule, Combined) and rule.operator == "or":
        return tuple(each for part in rule.parts for each in alternatives(part))
    return (rule,)


def _rule(node: ast.expr) -> Rule:
    if isinstance(node, ast.Name):
        return Named(node.id)
    if isinstance(node, ast.BoolOp):
        operator: Literal["and", "or"] = "and" if isinstance(node.op, ast.And) else "or"
        return Combined(operator, tuple(_rule(value) for value in node.values))
    raise TypeError(type(node).__name__)
