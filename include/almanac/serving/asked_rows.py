"""Rows that are answered together: what the log keeps of them, and what the other version would have said."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, TypedDict
from uuid import uuid4

from almanac.config.schema import Model
from almanac.features.features import FeatureMatrix
from almanac.rollout.evidence import CHALLENGER_ARM, MIRROR_ARM
from almanac.scoring.fingerprint import hash_features
from almanac.serving.answer_log import AnswerLog, LoggedAnswer
from almanac.serving.arms import Arms, RowAnswer, rows_of, say, timed


@dataclass(frozen=True, eq=False)
class AskedRows:
    """Rows of one or several requests, and what they were answered with.

    Attributes:
        model: that is asked.
        arms: who answers.
        times: [n] of the rows.
        keys: [n] the other key columns of each.
        sent: [n] as they were sent.
        callers: [n] who sent them.
        matrix: [n, k] their features.
        asked_at: when.
        dataset_version: that features looked back into.
        features_us: of the features, for each row.
    """

    model: Model
    arms: Arms
    times: Sequence[datetime]
    keys: Sequence[Mapping[str, object]]
    sent: Sequence[Mapping[str, object]]
    callers: Sequence[str]
    matrix: FeatureMatrix
    asked_at: datetime
    dataset_version: int
    features_us: float

    @cached_property
    def units(self) -> list[str | None]:
        """By which a rollout divides them, [n]; None: there is no rollout, or the row has none."""
        challenger = self.arms.challenger
        return [None if challenger is None else challenger.unit_of(row) for row in self.sent]

    def logged(self, answers: Sequence[RowAnswer]) -> list[LoggedAnswer]:
        """What the log keeps."""
        challenger, hashes = self.arms.challenger, hash_features(self.matrix.values)
        asked_at = _written(self.asked_at)
        keep_inputs = self.model.serve is not None and self.model.serve.log_inputs
        return [
            LoggedAnswer(
                id=uuid4().hex,
                time=_written(self.times[position]),
                key=json.dumps(key, default=str) if (key := self.keys[position]) else "{}",
                **_predicted(self.model, each.said),
                missing=each.missing,
                features_hash=int(hashes[position]),
                inputs=json.dumps(self.sent[position]) if keep_inputs else None,
                model_version=each.version,
                dataset_version=self.dataset_version,
                arm=each.arm,
                caller=self.callers[position],
                asked_at=asked_at,
                latency_us=self.features_us + each.latency_us,
                unit=None if challenger is None else challenger.hash_of(unit),
                # rows without a unit are the champion's, whatever the share: they prove nothing
                visit=None if challenger is None or unit is None else challenger.at.visit,
                failed=each.failed,
            )
            for position, (each, unit) in enumerate(zip(answers, self.units, strict=True))
        ]

    def mirror(self, logged: Sequence[LoggedAnswer], log: AnswerLog) -> bool:
        """Ask the other version about these rows, later, and log what it says; nobody waits for it.

        Before the first step that is the challenger; afterwards, where disagreement is guarded, the champion.

        Returns:
            False: it is too busy, and these rows are not compared.
        """
        import numpy as np

        challenger = self.arms.challenger
        if challenger is None or not (challenger.mirrors or challenger.compares):
            return True
        chosen = [each.visit is not None and (challenger.mirrors or each.arm == CHALLENGER_ARM) for each in logged]
        if not any(chosen):
            return True
        graph = challenger.graph if challenger.mirrors else self.arms.graph
        version = challenger.at.version if challenger.mirrors else self.arms.version
        part = rows_of(self.matrix, np.array(chosen))
        answered = [each for each, wanted in zip(logged, chosen, strict=True) if wanted]

        def compare() -> None:
            try:
                answers, latency_us = timed(self.model, graph, part)
                others = say(answers, version, MIRROR_ARM, self.features_us + latency_us)
            except Exception:  # noqa: BLE001 - whatever a version raises is counted as a row that it did not answer
                others = [RowAnswer({}, None, version, MIRROR_ARM, MIRROR_ARM, 0.0) for _ in answered]
            mirrored = [_mirrored(self.model, each, other) for each, other in zip(answered, others, strict=True)]
            log.write(self.model.name, mirrored, durable=False)

        return challenger.mirror.submit(compare) is not None


def _mirrored(model: Model, sent: LoggedAnswer, other: RowAnswer) -> LoggedAnswer:
    said = _predicted(model, other.said) if other.said else _NOTHING
    comparable = sent.label is not None and said["label"] is not None
    return LoggedAnswer(
        **{
            **vars(sent),
            **said,
            "inputs": None,
            "model_version": other.version,
            "arm": other.arm,
            "latency_us": other.latency_us,
            "failed": other.failed,
            "agrees": sent.label == said["label"] if comparable else None,
        }
    )


class _Predicted(TypedDict):
    prediction: float | None
    label: str | None
    probabilities: str | None


_NOTHING: _Predicted = {"prediction": None, "label": None, "probabilities": None}


def _predicted(model: Model, said: dict[str, Any]) -> _Predicted:
    """What a batch's columns say of a row, in the form of the log, which is one for all kinds of labels."""
    label, classes = said.get("label"), model.label.probability_columns
    return {
        "prediction": said[model.label.kind.prediction_column],
        "label": None if label is None else str(label),
        "probabilities": json.dumps({name: said[column] for name, column in classes.items()}) if classes else None,
    }


def _written(time: datetime) -> str:
    return time.astimezone(UTC).isoformat()
