"""Operators from the decision to train to a logged candidate."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk.definitions.context import Context

from almanac_airflow.operators.base import ModelOperator, text_of
from almanac_airflow.steps import adoption, training

if TYPE_CHECKING:
    from almanac.registry.run_context import RunContext


class TrainOperator(ModelOperator):
    """Trains the declared candidates on one dataset version, and logs the best, with its ONNX graph, as one MLflow run.

    Whether to train is decided by the declared policy, unless a task before has decided; the decision is recorded.

    Skipped: the decision is not to train; the log says why. A retry takes up what an earlier try of the same run has
    logged, and continues from its checkpoints where the candidate declares them. Fails at once: no dataset, too few
    labelled rows, an unknown candidate or parameter. Retried: another training of the model is running.

    Returns: the id of the MLflow run, for `mlflow_run_id` of `EvaluateGatesOperator`.

    Args:
        model: the name of a declared model.
        candidates: names of declared candidates; none: all.
        overrides: parameters of their estimators.
        mode: `scratch`, `incremental` or `auto`; none: as declared.
        reason: why; kept in the decision and on the version.
        ask_policy: False: train whatever the policy says; the decision and `reason` are recorded all the same.
        decision: what a task before has decided, as its result; none: decide here.
        searched: what tasks before have found in a parameter search.
    """

    template_fields: Sequence[str] = (
        *(*ModelOperator.template_fields, "candidates", "overrides", "mode", "reason"),
        *("decision", "searched"),
    )
    sections = ("label", "features", "train")
    reads = ("dataset",)
    options: ClassVar[Mapping[str, Any]] = {"candidates": None, "overrides": None, "mode": None, "reason": None}

    def __init__(
        self,
        *,
        candidates: Sequence[str] | None = None,
        overrides: Mapping[str, Any] | None = None,
        mode: str | None = None,
        reason: str | None = None,
        ask_policy: bool = True,
        decision: Any = None,
        searched: Any = None,
        **more: Any,
    ) -> None:
        super().__init__(**more)
        self.candidates = candidates
        self.overrides = overrides
        self.mode = mode
        self.reason = reason
        self.ask_policy = ask_policy
        self.decision = decision
        self.searched = searched

    def work(self, at: "RunContext", context: Context) -> str:
        """Decide, unless that is done; train."""
        model, form = self.declared(), self.form(context)
        decision = self.decision or training.decide(at, model, form, ask_policy=self.ask_policy)
        logged = training.train(at, model, decision, self.searched, form)
        self.note_read("dataset", dataset_version=at.registry.logged(logged).dataset_version)
        return logged


class ExportOnnxOperator(ModelOperator):
    """Exports a fitted scikit-learn pipeline of any MLflow run to ONNX, and logs it as a candidate of a declared model.

    The pipeline may be one that Almanac did not train. It is read from skops files only, because loading a pickle runs
    code from it. It is measured on the model's hold-out, with baselines and segments, so that `EvaluateGatesOperator`
    can judge it as any other candidate; `trained_until` must lie before the hold-out.

    Nothing is skipped. A retry of the same run returns what it has logged. Fails at once: the graph predicts otherwise
    than the pipeline, beyond the declared parity; the pipeline has other features; it was trained on rows of the
    hold-out; its file is a pickle, or holds a type that is not trusted; there is no converter for it.

    Returns: the id of the candidate's MLflow run, for `mlflow_run_id` of `EvaluateGatesOperator`.

    Args:
        model: the name of a declared model: its features, label and gates.
        mlflow_run_id: of the run that holds the pipeline.
        trained_until: the last event time among the rows that it was fitted on, with its offset.
        artifact: the name under which the run has logged the pipeline.
        candidate: a name for it, in MLflow and on the pages.
        threshold: the probability from which on the label is 1.
    """

    template_fields: Sequence[str] = (
        *(*ModelOperator.template_fields, "mlflow_run_id", "trained_until"),
        *("artifact", "candidate"),
    )
    sections = ("label", "features", "gates")
    reads = ("dataset",)

    def __init__(
        self,
        *,
        mlflow_run_id: str,
        trained_until: str | datetime,
        artifact: str = "model",
        candidate: str = "own",
        threshold: float = 0.5,
        **more: Any,
    ) -> None:
        super().__init__(**more)
        self.mlflow_run_id = mlflow_run_id
        self.trained_until = trained_until
        self.artifact = artifact
        self.candidate = candidate
        self.threshold = threshold

    def work(self, at: "RunContext", context: Context) -> str:
        """Export, compare, measure, log."""
        names = ("mlflow_run_id", "artifact", "trained_until", "candidate", "threshold")
        return adoption.adopt(at, self.declared(), {name: text_of(getattr(self, name)) for name in names})
