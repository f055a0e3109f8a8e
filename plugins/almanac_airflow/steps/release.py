"""Which version is in production: promotion, shadow, rollback."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowSkipException

from almanac.config.schema import Model

if TYPE_CHECKING:
    from almanac.registry.run_context import RunContext


def propose(context: "RunContext", model: Model, params: dict[str, Any]) -> str:
    """Choose the version, and whether a person is asked about it.

    Returns:
        The version, when a person is asked.

    Raises:
        ConfigError: a person gave only one of version and reason, or neither.
        DownstreamTasksSkipped: nobody has to be asked; see `almanac_airflow.branching`.
    """
    from almanac.release.approval import Desk, decide_by_hand
    from almanac_airflow import branching
    from almanac_airflow.runs import started_by_hand, version_param

    version, reason = version_param(context, model, params["version"], params["reason"])
    at = Desk.of(context, model, version)
    if not reason:
        return branching.go_on(at)
    if why_not_alone := decide_by_hand(at, started_by_hand(), reason):
        return branching.go_on(at, by_hand=f"{reason}; {why_not_alone}")
    return branching.skip_approval(version)


def promote(context: "RunContext", model: Model, version: str, *, by_hand: str = "") -> dict[str, Any]:
    """Make a version the champion; gives the content of the champion's event.

    Args:
        context: of the running task.
        model: whose.
        version: its number.
        by_hand: why a person started the run to promote it; empty: nobody did.

    Raises:
        AirflowSkipException: the version stays what it is.
        ApprovalError: the journal has no approval of it.
    """
    from almanac.release.approval import Desk, promote_as_answered

    done = promote_as_answered(Desk.of(context, model, version), by_hand=by_hand)
    if not done.accepted:
        raise AirflowSkipException("; ".join(done.reasons))
    return {"version": version}


def promote_proposed(context: "RunContext", model: Model, version: str, params: dict[str, Any]) -> dict[str, Any]:
    """The same for a run that a person may have started with a form."""
    by_hand = params["reason"] or ""
    # the form cannot be changed after the start, XCom can
    return promote(context, model, params["version"] if by_hand else version, by_hand=by_hand)


def score_shadow(context: "RunContext", model: Model) -> dict[str, Any]:
    """Score new rows with the version in shadow.

    Raises:
        AirflowSkipException: scoring is stopped, or there is nothing to score.
    """
    from almanac.scoring.score import score_shadow
    from almanac_airflow.steps.scoring import require_scoring

    require_scoring(context, model)
    summary = score_shadow(model, context.home, context.registry, run=context.run, now=context.now)
    if not summary.rows:
        raise AirflowSkipException(summary.message)
    return asdict(summary)


def judge_shadow(context: "RunContext", model: Model) -> dict[str, Any]:
    """Compare the version in shadow with the champion.

    Raises:
        AirflowSkipException: too few labels yet, or the version is worse.
    """
    from almanac.release.shadow import judge_shadow

    result = judge_shadow(model, context.home, context.registry, context.journal, run=context.run, now=context.now)
    if not result.accepted:
        raise AirflowSkipException("; ".join(result.reasons))
    return asdict(result)


def continue_rollout(context: "RunContext", model: Model, params: dict[str, Any]) -> dict[str, Any]:
    """Do what follows for an open rollout, or what a person asks for; gives the content of the champion's event.

    Raises:
        AirflowSkipException: nothing was promoted.
        ConfigError: a move without a reason, or one that cannot be made.
    """
    from almanac.errors import ConfigError
    from almanac.journal.records import RolloutState
    from almanac.journal.rollouts import Rollouts
    from almanac.release.rollout import continue_rollout, move_rollout
    from almanac.release.rollout_alerts import notify_rollout
    from almanac_airflow.notifiers.channels import notifier

    registry, journal, run = context.registry, context.journal, context.run
    if move := params["move"]:
        if not params["reason"]:
            raise ConfigError(f"{model.name}: {move} needs a reason; got none. Say why in `reason`")
        move_rollout(model, registry, journal, move, reason=params["reason"], run=run, now=context.now)
    at = continue_rollout(
        context.home,
        model,
        registry,
        journal,
        notify=lambda found: notify_rollout(notifier(run), model, found, run=run, now=context.clock()),
        run=run,
        now=context.now,
    )
    if at is None and move:
        at = Rollouts(journal).newest(model.name)
    if at is None:
        raise AirflowSkipException("no rollout is under way")
    if at.state is not RolloutState.DONE:
        raise AirflowSkipException(f"{at.id}: {at.state}, step {at.step}, share {at.share:.0%}: {at.reason}")
    return {"version": at.version, "reason": at.reason}


def roll_back(context: "RunContext", model: Model, params: dict[str, Any]) -> dict[str, Any]:
    """Make an earlier version the champion again.

    Raises:
        ConfigError: there is no reason.
    """
    from almanac.errors import ConfigError
    from almanac.release.promotion import roll_back

    if not params["reason"]:
        raise ConfigError(f"{model.name}: a rollback needs a reason; got none. Say why in `reason`")
    done = roll_back(
        context.registry,
        model.name,
        to=params["to"],
        reason=params["reason"],
        run=context.run,
        journal=context.journal,
        now=context.now,
    )
    return asdict(done)


def prove_previous(context: "RunContext", model: Model) -> dict[str, Any]:
    """Prove that the previous version could take over.

    Raises:
        AirflowSkipException: there is none.
        RegistryError: it could not.
    """
    from almanac.errors import RegistryError
    from almanac.release.drill import drill

    proof = drill(model, context.home, context.registry, context.journal, run=context.run, now=context.now)
    if proof is None:
        raise AirflowSkipException("no previous version yet: nothing to roll back to")
    if not proof.accepted:
        raise RegistryError(f"{proof.subject} could not take over: {'; '.join(proof.reasons)}")
    return {"subject": proof.subject, "figures": proof.figures}
