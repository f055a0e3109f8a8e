"""The message of an alert. It knows no channel; every text in it is masked."""

import html
import re
from dataclasses import dataclass, fields
from datetime import UTC, datetime

from almanac.alerts.run_scope import WHOLE
from almanac.config.sections.alerts import AlertKind, Severity
from almanac.display import MAX_ERROR, shorten
from almanac.errors import PermanentError, TransientError
from almanac.journal.records import RunRef

KILLED = "the process ended without an error message: was it killed?"
_MASK = "***"
_MAX_ERROR = 2000
_SECRETS = (
    # user:password@host in a URL
    (re.compile(r"(?<=://)[^/\s@]+@"), f"{_MASK}@"),
    # Authorization: Bearer ..., Basic ...
    (re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{8,}"), rf"\1 {_MASK}"),
    # password=..., "api_key": "...", AccountKey=...; sig= is the signature of a shared-access URL
    (
        re.compile(
            # looked for from the beginning of a word on: from each of its letters, a long word would cost its square
            r"(?i)((?<![\w-])[\w-]*(?:passw(?:or)?d|passwd|pwd|secret|token|api[_-]?key|access[_-]?key|accountkey|authorization)"
            r"[\w-]*[\"']?|\bsig)(\s*[=:]\s*)(\"[^\"]*\"|'[^']*'|[^\s,;&\"']+)"
        ),
        rf"\1\2{_MASK}",
    ),
)


def mask(text: str) -> str:
    """Replace by *** passwords, tokens, keys and the user part of URLs."""
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text


@dataclass(frozen=True)
class Message:
    """One message. All its texts are masked when it is created.

    Attributes:
        severity: info, warning or critical.
        subject: one line.
        error: what happened, in the words of the error.
        what_to_do: in words.
        model: whose; empty when it belongs to no model.
        dag_id, run_id, task_id: where.
        try_number: which try of the task it was.
        link: to the run.
        raised_at: ISO 8601 in UTC.
        report: the page with the figures; empty when there is none.
        runbook: where it is written what to do, step by step.
        since: when the condition was first seen, ISO 8601 in UTC; empty when this is the first time.
        times: how often it was seen since then.
        parts: what is told together in this message, each with its state; one more, or worse, is reported again.
    """

    severity: Severity
    subject: str
    error: str
    what_to_do: str
    model: str
    dag_id: str
    run_id: str
    task_id: str
    try_number: int
    link: str
    raised_at: str
    report: str = ""
    runbook: str = ""
    since: str = ""
    times: int = 1
    parts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for part in fields(self):
            value = getattr(self, part.name)
            if isinstance(value, str):
                object.__setattr__(self, part.name, mask(shorten(value, MAX_ERROR)))

    @property
    def text(self) -> str:
        """For people, as plain text."""
        lines = [self.subject, "", self.error, "", f"What to do: {self.what_to_do}", ""]
        lines += [f"{name}: {value}" for name, value in self._facts()]
        return "\n".join(lines)

    @property
    def html(self) -> str:
        """For people, as the body of a mail."""
        rows = "".join(
            f"<tr><td>{html.escape(name)}</td><td>{_linked(value)}</td></tr>" for name, value in self._facts()
        )
        link = f'<p><a href="{html.escape(self.link, quote=True)}">Open the run</a></p>' if self.link else ""
        return (
            f"<h3>{html.escape(self.subject)}</h3>"
            f'<pre style="white-space:pre-wrap">{html.escape(self.error)}</pre>'
            f"<p><b>What to do:</b> {html.escape(self.what_to_do)}</p>{link}<table>{rows}</table>"
        )

    @property
    def payload(self) -> dict[str, str | int]:
        """For a webhook. Slack, Mattermost and Teams show `text`."""
        parts = {part.name: getattr(self, part.name) for part in fields(self) if part.name != "parts"}
        return {**parts, "text": self.text}

    def _facts(self) -> list[tuple[str, str]]:
        facts = {
            "Severity": self.severity,
            "Model": self.model,
            "DAG": self.dag_id,
            "Run": self.run_id,
            "Task": self.task_id,
            "Try": str(self.try_number) if self.try_number else "",
            "Time": self.raised_at,
            "Since": self.since,
            "Seen": f"{self.times} times" if self.times > 1 else "",
            "Link": self.link,
            "Report": self.report,
            "Runbook": self.runbook,
        }
        return [(name, value) for name, value in facts.items() if value]


def _linked(value: str) -> str:
    escaped = html.escape(value, quote=True)
    return f'<a href="{escaped}">{escaped}</a>' if value.startswith(("http://", "https://")) else escaped


def failure_key(dag_id: str, task_id: str) -> str:
    """What is one condition: a failure is the task's, whichever run."""
    return f"{dag_id}.{task_id}"


def failure_message(
    *,
    model: str | None,
    run: RunRef,
    task_id: str,
    error: BaseException | str,
    link: str,
    now: datetime,
    about: str = WHOLE,
) -> Message:
    """Tell that a task has failed for good.

    Args:
        model: whose; None: nobody's.
        run: which run, and the number of the try.
        task_id: which task.
        error: what it raised, or words for it.
        link: to the run.
        now: aware.
        about: what the run is about; see `almanac.alerts.run_scope`.
    """
    words = str(error) or type(error).__name__
    kind = "" if isinstance(error, str) else f"{type(error).__name__}: "
    of = "" if about == WHOLE else f"{about}: "
    return event_message(
        "failure",
        severity="critical",
        model=model or "",
        subject=f"{run.dag_id}: {task_id} failed",
        words=f"{of}{kind}{words}",
        what_to_do=_what_to_do(error),
        run=run,
        now=now,
        task_id=task_id,
        link=link,
        parts=(about,),
    )


def approval_message(
    *, model: str, run: RunRef, task_id: str, question: str, deadline: str, silence: str, link: str, now: datetime
) -> Message:
    """Tell that something waits for a person's answer.

    Args:
        model: whose.
        run: which run waits.
        task_id: which task.
        question: in one line.
        deadline: in words.
        silence: what no answer means, in words.
        link: to the page where it is answered.
        now: aware.
    """
    return event_message(
        "approval",
        severity="warning",
        model=model,
        subject=f"{question} A decision is needed",
        words=f"{question} The task waits {deadline}; no answer means {silence}.",
        what_to_do="Open the link, read the page, choose an answer, and give a reason.",
        run=run,
        now=now,
        task_id=task_id,
        link=link,
    )


def event_message(
    kind: AlertKind,
    *,
    severity: Severity,
    model: str,
    subject: str,
    words: str,
    what_to_do: str,
    run: RunRef,
    now: datetime,
    task_id: str = "",
    link: str = "",
    report: str = "",
    parts: tuple[str, ...] = (),
) -> Message:
    """Tell anything that is not a failed task.

    Args:
        kind: names the runbook.
        severity: info, warning or critical.
        model: whose; empty when it belongs to no model.
        subject: one line.
        words: what happened, with figures and limits.
        what_to_do: in words.
        run: where it was seen.
        now: aware.
        task_id: which task.
        link: to the run.
        report: the page with the figures.
        parts: see `Message`.
    """
    error = _shorten(mask(words))  # masked first: a secret that is cut in two is no longer recognised
    return Message(
        severity,
        subject,
        error,
        what_to_do,
        model,
        run.dag_id,
        run.run_id,
        task_id,
        run.try_number,
        link,
        iso(now),
        report,
        runbook(kind),
        parts=parts,
    )


def runbook(kind: str) -> str:
    """Where the runbook of a kind of alert stands."""
    return f"docs/operations.md#alert-{kind}"


def iso(moment: datetime) -> str:
    """A time as people and programs read it: UTC, to the second."""
    return moment.astimezone(UTC).isoformat(timespec="seconds")


def _shorten(text: str) -> str:
    return text if len(text) <= _MAX_ERROR else f"{text[:_MAX_ERROR]}… ({len(text) - _MAX_ERROR} more characters)"


def _what_to_do(error: BaseException | str) -> str:
    if isinstance(error, PermanentError):
        return "Correct what the error names, then clear the task. It was not retried, because a retry cannot help."
    if isinstance(error, TransientError):
        return "All retries are used up. Check that the service that the error names is up, then clear the task."
    return "Read the task's log at the link; when the cause is corrected, clear the task. Runbooks: docs/operations.md."
