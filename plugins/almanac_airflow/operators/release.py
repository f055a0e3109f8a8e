"""Operators from a logged candidate to production and back."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk.definitions.context import Context

from almanac_airflow.operators.base import ModelOperator
from almanac_airflow.steps import release, training
from almanac_airflow.task_usage import note_version

if TYPE_CHECKING:
    from almanac.registry.run_context import RunContext


class EvaluateGatesOperator(ModelOperator):
    """Judges a logged candidate by the declared gates, against baselines and the champion on the same hold-out.

    Nothing is skipped, and a refusal is a result: the task succeeds, and `RegisterModelOperator` skips. The decision is
    recorded in the journal and in MLflow; a retry returns it. Fails at once: there is no such candidate, or its files
    are not what was recorded.

    Returns: `accepted`, `reasons`, `figures`, `ask` (why a person must approve), `mlflow_run_id`.

    Args:
        model: the name of a declared model.
        mlflow_run_id: of the candidate: what `TrainOperator` or `ExportOnnxOperator` returns.
    """

    template_fields: Sequence[str] = (*ModelOperator.template_fields, "mlflow_run_id")
    sections = ("gates",)
    reads = ("champion",)
    writes = ("training",)

    def __init__(self, *, mlflow_run_id: str, **more: Any) -> None:
        super().__init__(**more)
        self.mlflow_run_id = mlflow_run_id

    def work(self, at: "RunContext", context: Context) -> dict[str, Any]:
        """Judge."""
        verdict = training.judge(at, self.declared(), self.mlflow_run_id)
        self.announce(context, "training", {name: verdict[name] for name in ("mlflow_run_id", "accepted")})
        return verdict


class RegisterModelOperator(ModelOperator):
    """Registers an accepted candidate as challenger, and decides: promote it, ask a person, or neither.

    A `PromotionApprovalOperator` and a `PromoteModelOperator` behind it are skipped, without a process, when they are
    not needed. Skipped: the gates refused the candidate. Fails at once: the registry does not hold the candidate. A
    retry finds the version that an earlier try has registered.

    Returns: the version's number.

    Args:
        model: the name of a declared model.
        verdict: what `EvaluateGatesOperator` returned.
    """

    template_fields: Sequence[str] = (*ModelOperator.template_fields, "verdict")
    sections = ("promotion", "approval")
    writes = ("challenger",)

    def __init__(self, *, verdict: Any, **more: Any) -> None:
        super().__init__(**more)
        self.verdict = verdict

    def work(self, at: "RunContext", context: Context) -> str:
        """Register, and choose the way."""
        version = training.register(at, self.declared(), self.verdict)
        note_version(version)
        return version


class PromoteModelOperator(ModelOperator):
    """Makes a registered version the champion; the champion before it is kept as previous.

    Skipped: the version stays what it is; the log says why. Fails at once: the declaration asks for an approval, and
    the journal holds none. A retry changes nothing more.

    Args:
        model: the name of a declared model.
        version: its number: what `RegisterModelOperator` returned.
    """

    template_fields: Sequence[str] = (*ModelOperator.template_fields, "version")
    sections = ("promotion", "approval")
    writes = ("champion",)

    def __init__(self, *, version: str, **more: Any) -> None:
        super().__init__(**more)
        self.version = version

    def work(self, at: "RunContext", context: Context) -> None:
        """Promote; a person who started the run names the version in its form."""
        entered = context["params"] if self.from_form else {}
        form = {"version": entered.get("version"), "reason": entered.get("reason")}
        done = release.promote_proposed(at, self.declared(), str(self.version), form)
        self.announce(context, "champion", done)


class ContinueRolloutOperator(ModelOperator):
    """Looks at the open rollout of a model, and does what follows: the next step, fall back, or the promotion.

    Skipped: nothing was promoted; the log says where the rollout stands. With `move` it does what a person asks for.
    Fails at once: a move has no reason, or cannot be made from where the rollout stands. A retry continues where the
    last try ended.

    Returns: `version` and `reason` of the promotion.

    Args:
        model: the name of a declared model.
        move: pause, resume, advance, set-back or abort; by default what follows from the figures.
        reason: why; required with a move, kept in the journal.
    """

    template_fields: Sequence[str] = (*ModelOperator.template_fields, "move", "reason")
    sections = ("rollout",)
    reads = ("champion",)
    writes = ("champion",)
    options: ClassVar[Mapping[str, Any]] = {"move": None, "reason": None}

    def __init__(self, *, move: str | None = None, reason: str | None = None, **more: Any) -> None:
        super().__init__(**more)
        self.move = move
        self.reason = reason

    def work(self, at: "RunContext", context: Context) -> dict[str, Any]:
        """Look, or do what a person asks for."""
        done = release.continue_rollout(at, self.declared(), self.form(context))
        self.announce(context, "champion", done)
        return done


class RollbackOperator(ModelOperator):
    """Makes an earlier version the champion again, after it was verified.

    Nothing is skipped. Fails at once: there is no such version, its files are not what was recorded, or no reason is
    given. A retry changes nothing more.

    Returns: `from_version`, `to_version`, and how long it took.

    Args:
        model: the name of a declared model.
        to: a version's number, or `previous`.
        reason: why; required, kept in the journal and on the version.
    """

    template_fields: Sequence[str] = (*ModelOperator.template_fields, "to", "reason")
    sections = ("rollback",)
    writes = ("champion",)
    options: ClassVar[Mapping[str, Any]] = {"to": "previous", "reason": None}

    def __init__(self, *, to: str | None = None, reason: str | None = None, **more: Any) -> None:
        super().__init__(**more)
        self.to = to
        self.reason = reason

    def work(self, at: "RunContext", context: Context) -> dict[str, Any]:
        """Roll back."""
        form = self.form(context)
        done = release.roll_back(at, self.declared(), form)
        self.announce(context, "champion", {"version": done["to_version"], "reason": form["reason"]})
        return done
