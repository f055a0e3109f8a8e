"""A preview as Markdown, beside the one of the base branch: for a pull request."""

from collections.abc import Mapping

from almanac.preview.figures import Preview, PreviewGate
from almanac.reporting.markdown import inline, table

_MAX_REASON = 200


def is_worse(here: Preview, base: Preview | None) -> bool:
    """Whether the change stops a model that could be trained, or that the gates let pass on the base branch."""
    return bool(here.problems) or (base is not None and base.accepted and not here.accepted)


def render_report(here: Preview, base: Preview | None) -> str:
    """The report.

    Args:
        here: of the change.
        base: of the base branch; None: there is nothing to compare with.
    """
    parts = [
        f"## {inline(here.model)}: {_headline(here, base)}",
        f"Played in a scratch home on {inline(here.rows_from)}.",
    ]
    if base is not None and base.rows_from != here.rows_from:
        parts.append(f"The base branch was played on other rows: {inline(base.rows_from)}.")
    parts += [f"- **problem**: {inline(text, limit=1000)}" for text in here.problems]
    if base is not None:
        parts += [f"- problem on the base branch: {inline(text, limit=1000)}" for text in base.problems]
    parts.append(_numbers("rows", here.counts, None if base is None else base.counts))
    if here.candidate:
        parts.append(f"The best candidate is **{inline(here.candidate)}**{_before(here, base)}.")
        parts.append(_numbers("figure", here.figures, None if base is None else base.figures))
    if here.gates:
        parts.append(_gates(here, base))
    return "\n\n".join(part for part in parts if part) + "\n"


def _headline(here: Preview, base: Preview | None) -> str:
    if here.problems:
        return "cannot be trained"
    words = "passes its gates" if here.accepted else "is refused by its gates"
    if base is None or base.problems or base.accepted == here.accepted:
        return words
    return f"{words}, unlike on the base branch"


def _before(here: Preview, base: Preview | None) -> str:
    if base is None or not base.candidate or base.candidate == here.candidate:
        return ""
    return f", on the base branch {inline(base.candidate)}"


def _numbers(of: str, here: Mapping[str, float], base: Mapping[str, float] | None) -> str:
    if not here:
        return ""
    if base is None:
        return table([of, "here"], [[name, _number(value)] for name, value in here.items()])
    names = [*here, *(name for name in base if name not in here)]
    lines = [[name, _number(base.get(name)), _number(here.get(name)), _change(base, here, name)] for name in names]
    return table([of, "base", "here", "change"], lines)


def _number(value: float | None) -> str:
    if value is None:
        return "none"
    return str(value) if isinstance(value, int) else f"{value:.4f}"


def _change(base: Mapping[str, float], here: Mapping[str, float], name: str) -> str:
    if name not in base or name not in here:
        return ""
    difference = here[name] - base[name]
    if not difference:
        return "same"
    return f"{difference:+d}" if isinstance(difference, int) else f"{difference:+.4f}"


def _gates(here: Preview, base: Preview | None) -> str:
    """The gates that refuse, or whose verdict has changed; the others are counted."""
    before = {} if base is None else {one.name: one for one in base.gates}
    shown = [one for one in here.gates if not one.passed or not before.get(one.name, one).passed]
    words = f"{sum(one.passed for one in here.gates)} of {len(here.gates)} gates let it pass."
    if not shown:
        return words
    head = ["gate", *([] if base is None else ["base"]), "here", "reason"]
    lines = [
        [one.name, *([] if base is None else [_verdict(before.get(one.name))]), _verdict(one), one.reason[:_MAX_REASON]]
        for one in shown
    ]
    return f"{words}\n\n{table(head, lines)}"


def _verdict(gate: PreviewGate | None) -> str:
    return "none" if gate is None else "passed" if gate.passed else "refused"
