"""The next step of a registered version: promote it, ask a person, score in shadow, or keep it as challenger."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from almanac.config.schema import Model
from almanac.config.sections.promotion import promotion_problems
from almanac.journal.journal import Journal
from almanac.journal.records import Decision, DecisionKind, RunRef
from almanac.registry.records import PASSED, REFUSED, ModelVersion, Tag
from almanac.release.promotion import set_shadow
from almanac.release.rollout import gave_up
from almanac.release.withdrawn import rolled_back_at

if TYPE_CHECKING:
    from almanac.registry.store import Registry

GATES = "passed all gates"


class Way(StrEnum):
    """The next step of a registered version."""

    PROMOTE = "promote"
    ASK = "ask"
    SHADOW = "shadow"
    STAY = "stay"


@dataclass(frozen=True)
class Route:
    """The next step, and why."""

    way: Way
    reasons: tuple[str, ...]


def route(model: Model, registry: "Registry", journal: Journal, version: str, *, run: RunRef, now: datetime) -> Route:
    """Decide the next step of a version that has passed its gates. That it stays challenger is a recorded decision.

    Where the gates ask for a person, a person is asked, whatever the model's YAML declares.

    Args:
        model: declares how its versions are promoted.
        registry: holds the version.
        journal: takes the decision that the version stays challenger.
        version: its number.
        run: which run asks.
        now: aware.

    Raises:
        TransientError: MLflow or the journal is not available.
    """
    found = find_route(model, registry, journal, version)
    if found.way is Way.SHADOW:
        why = found.reasons[0]
        set_shadow(registry, model.name, version, reason=why, run=run, journal=journal, now=now)
    subject = f"{model.name}@{version}"
    known = journal.decisions(model.name, DecisionKind.PROMOTION, run=run)
    if found.way is Way.STAY and not any(one.subject == subject for one in known):
        journal.record_decision(Decision(model.name, DecisionKind.PROMOTION, False, found.reasons, now, run, subject))
    return found


def find_route(model: Model, registry: "Registry", journal: Journal, number: str) -> Route:
    """`route` without recording anything; a promotion looks again."""
    champion, version = registry.champion(model.name), registry.version(model.name, number)
    there = champion.version if champion else ""
    if there == number:  # a retry after its promotion
        return Route(Way.PROMOTE, ("it is already champion",))
    if problems := promotion_problems(model):
        return Route(Way.STAY, tuple(f"cannot be promoted: {problem}" for problem in problems))
    if left := _left(journal, version):
        return Route(Way.STAY, (f"{left}; only a person can promote it again, by hand",))
    if stale := _stale(version, there):
        return Route(Way.STAY, (stale,))
    shadow, verdict = model.shadow, version.tags.get(Tag.SHADOW, "")
    if shadow is not None and champion is not None and verdict != PASSED:
        if verdict == REFUSED:
            return Route(Way.STAY, (shadow_verdict(version),))
        return Route(Way.SHADOW, (f"in shadow until {shadow.rows} of its predictions have labels",))
    if model.promotion == "manual" or (verdict == PASSED and shadow is not None and shadow.then == "nothing"):
        return Route(Way.STAY, (f"promotion is manual: ./almanac promote {model.name}@{number} --reason ...",))
    asked = _asked(journal, version)
    if verdict == PASSED and shadow is not None:
        reasons = (shadow_verdict(version), *asked)
        return Route(Way.ASK if shadow.then == "ask" or asked else Way.PROMOTE, reasons)
    if model.promotion == "approve":
        return Route(Way.ASK, (f"{model.name}.yaml declares promotion: approve", *asked))
    return Route(Way.ASK, asked) if asked else Route(Way.PROMOTE, (GATES,))


def shadow_verdict(version: ModelVersion) -> str:
    """The verdict on its shadow scoring, with figures."""
    return version.tags.get(Tag.SHADOW_REASON, "compared with the champion in shadow")


def _asked(journal: Journal, version: ModelVersion) -> tuple[str, ...]:
    """Why the gates ask for a person: by the version's tag, and by the journal, which users of MLflow cannot change."""
    tagged = version.tags.get(Tag.ASK, "").splitlines()
    judged = journal.decisions(version.model, DecisionKind.GATES, limit=1, subject=version.mlflow_run_id, accepted=True)
    asked = next((one.ask for one in judged), ())
    return tuple(dict.fromkeys(filter(None, (*tagged, *asked))))


def _left(journal: Journal, version: ModelVersion) -> str:
    """How it left production, or fell back on its way there; empty: it did not."""
    if at := rolled_back_at(journal, version):
        return f"it was rolled back at {at}"
    end = gave_up(journal, version.model, version.version)
    return "" if end is None else f"its rollout {end.id} fell back: {end.reason}"


def _stale(version: ModelVersion, champion: str) -> str:
    """Why the comparison with the champion is out of date; empty: it is not."""
    judged_against = version.tags.get(Tag.SHADOW_AGAINST) or version.tags.get(Tag.PARENT_VERSION, "")
    if judged_against == champion:
        return ""
    return f"it was measured against champion {judged_against or 'none'}, but the champion is now {champion or 'none'}"
