"""The monitor's result in a few lines of Markdown: for messages, pull requests and the person who decides."""

from almanac.config.schema import Model
from almanac.monitoring.findings import WORST_FIRST, State
from almanac.monitoring.result import MonitorResult
from almanac.reporting.markdown import inline, table
from almanac.reporting.templates import last_day
from almanac.reporting.urls import report_page

_MAX_LINES = 12


def render_markdown(model: Model, result: MonitorResult) -> str:
    """Verdict first, then what follows, then what was found, alarms before warnings; what is fine is only counted."""
    newest = f", window to {last_day(result.windows[-1].end)}" if result.windows else ""
    lines = [
        f"**{inline(model.title)}: {result.verdict}** (version {result.model_version or 'none'}{newest})",
        "",
        "What follows: "
        + (", ".join(planned.action.replace("_", " ") for planned in result.actions) or "nothing")
        + ".",
    ]
    known = (one for one in result.findings if one.state is not State.FINE)
    findings = sorted(known, key=lambda one: WORST_FIRST.index(one.state))
    if findings:
        body = [[str(one.state), f"{one.condition} {one.subject}", one.text] for one in findings[:_MAX_LINES]]
        lines += ["", table(["", "what", "found"], body)]
    hidden = len(findings) - _MAX_LINES
    fine = sum(one.state is State.FINE for one in result.findings)
    rest = [f"{hidden} more"] if hidden > 0 else []
    lines += ["", f"{', '.join([*rest, f'{fine} fine'])} of {len(result.findings)} checked."]
    if result.report_uri:
        page = report_page(model.name, result.report_uri, result.run_url)
        lines.append(f"[Report]({page})" if page != result.report_uri else f"Report: `{page}`")
    return "\n".join(lines) + "\n"
