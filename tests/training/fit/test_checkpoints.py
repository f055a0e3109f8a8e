"""Checkpoints: what diverges goes back to the best one; what was killed goes on where it was; nothing is unpickled."""

import json
import math
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from almanac.config.sections.learning import Checkpoints, Learning
from almanac.errors import IntegrityError
from almanac.training.fit.checkpoints import CheckpointFolder, read_all
from almanac.training.fit.learning import Curve, fit_by_epochs
from almanac.training.train import train_candidate
from tests.training.conftest import NOW

DRAW = np.random.default_rng(1)
VALUES = DRAW.normal(size=(600, 4)).astype(np.float32)
LABELS = (VALUES[:, 0] + VALUES[:, 1] * VALUES[:, 2] > 0).astype(np.int64)
TEACHING, MEASURING = (VALUES[:500], LABELS[:500]), (VALUES[500:], LABELS[500:])


class Ticking:
    """A clock of which no two times are equal."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 31, 9, 45, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now


def net(rate: float = 0.01) -> Any:
    return make_pipeline(StandardScaler(), MLPClassifier(8, learning_rate_init=rate, random_state=1))


def rules(epochs: int = 12, **more: Any) -> Learning:
    checkpoints = Checkpoints(every=3, keep=2, **more)
    off = {"stuck": None, "overfitting": None}
    return Learning(epochs=epochs, patience=100, checkpoints=checkpoints, **off)  # type: ignore[arg-type]


def folder_at(path: Path, saved: Callable[[], None] = lambda: None) -> CheckpointFolder:
    return CheckpointFolder(path, 3, 2, saved, Ticking())


class _Killed(BaseException):
    pass


def kill_after(count: int) -> Callable[[], None]:
    """What is called after each checkpoint, and does not come back from one of them."""
    left = [count]

    def saved() -> None:
        left[0] -= 1
        if not left[0]:
            raise _Killed

    return saved


def test_checkpoints_are_named_by_time_and_epoch_and_lie_beside_the_losses(tmp_path: Path) -> None:
    fit_by_epochs(net(), rules(epochs=7), TEACHING, MEASURING, folder_at(tmp_path))
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names[0].startswith("20260131T0945")
    assert [one.epoch for one in read_all(tmp_path)][-1] == 6
    assert len((tmp_path / "losses.jsonl").read_text().splitlines()) == 7


def test_checkpoints_old_ones_go_but_the_best_stays(tmp_path: Path) -> None:
    pipeline = net(rate=0.3)
    curve = fit_by_epochs(pipeline, rules(epochs=30, on_diverging="end"), TEACHING, MEASURING, folder_at(tmp_path))
    kept = {one.epoch for one in read_all(tmp_path)}
    assert curve.kept in kept
    assert len(kept) <= 3


def test_checkpoint_is_called_after_each(tmp_path: Path) -> None:
    calls: list[int] = []
    fit_by_epochs(net(), rules(epochs=7), TEACHING, MEASURING, folder_at(tmp_path, lambda: calls.append(1)))
    assert len(calls) == 3  # after epochs 3 and 6, and at the end


def test_killed_training_goes_on_and_ends_as_if_it_had_not_been(tmp_path: Path) -> None:
    whole, killed = net(), net()
    expected = fit_by_epochs(whole, rules(), TEACHING, MEASURING, folder_at(tmp_path / "whole"))
    with pytest.raises(_Killed):
        fit_by_epochs(killed, rules(), TEACHING, MEASURING, folder_at(tmp_path / "one", kill_after(2)))
    resumed = net()
    folder = folder_at(tmp_path / "one")
    folder.clock.now += timedelta(hours=1)  # type: ignore[attr-defined]
    assert fit_by_epochs(resumed, rules(), TEACHING, MEASURING, folder) == expected
    assert np.array_equal(resumed.predict_proba(VALUES), whole.predict_proba(VALUES))


def test_resume_does_not_learn_again_what_was_learned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(_Killed):
        fit_by_epochs(net(), rules(), TEACHING, MEASURING, folder_at(tmp_path, kill_after(3)))
    fits: list[int] = []
    real = MLPClassifier._partial_fit if hasattr(MLPClassifier, "_partial_fit") else MLPClassifier.partial_fit
    name = real.__name__

    def counted(self: Any, *given: Any, **more: Any) -> Any:
        fits.append(1)
        return real(self, *given, **more)

    monkeypatch.setattr(MLPClassifier, name, counted)
    fit_by_epochs(net(), rules(), TEACHING, MEASURING, folder_at(tmp_path))
    assert len(fits) == 3  # of twelve, nine were learned


@pytest.mark.parametrize("other", ["rows", "parameters", "rules"])
def test_checkpoints_of_another_training_are_not_gone_on_with(tmp_path: Path, other: str) -> None:
    with pytest.raises(_Killed):
        fit_by_epochs(net(), rules(), TEACHING, MEASURING, folder_at(tmp_path, kill_after(2)))
    teaching = (TEACHING[0] + 1, TEACHING[1]) if other == "rows" else TEACHING
    pipeline = net(0.02) if other == "parameters" else net()
    declared = rules(epochs=5) if other == "rules" else rules()
    curve = fit_by_epochs(pipeline, declared, teaching, MEASURING, folder_at(tmp_path))
    fresh = fit_by_epochs(
        net(0.02) if other == "parameters" else net(), declared, teaching, MEASURING, folder_at(tmp_path / "fresh")
    )
    assert curve == fresh


def test_damaged_newest_checkpoint_is_passed_over(tmp_path: Path) -> None:
    expected = fit_by_epochs(net(), rules(), TEACHING, MEASURING, folder_at(tmp_path / "whole"))
    with pytest.raises(_Killed):
        fit_by_epochs(net(), rules(), TEACHING, MEASURING, folder_at(tmp_path / "one", kill_after(3)))
    newest = read_all(tmp_path / "one")[-1]
    newest.path.write_bytes(newest.path.read_bytes()[:-3])
    assert fit_by_epochs(net(), rules(), TEACHING, MEASURING, folder_at(tmp_path / "one")) == expected


def test_swapped_checkpoint_is_refused_before_it_is_loaded(tmp_path: Path) -> None:
    fit_by_epochs(net(), rules(), TEACHING, MEASURING, folder_at(tmp_path))
    first, *_, last = read_all(tmp_path)
    last.path.write_bytes(first.path.read_bytes() + b"x")
    with pytest.raises(IntegrityError, match="the bytes are not what was recorded"):
        last.load()


def diverging(learning: Learning, folder: CheckpointFolder, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, Curve]:
    """A net whose steps become a thousand times too large in its sixth epoch."""
    pipeline, real, epochs = net(), MLPClassifier.partial_fit, [0]

    def partial_fit(self: Any, *given: Any, **more: Any) -> Any:
        epochs[0] += 1
        if epochs[0] == 6:
            self._optimizer.learning_rate_init *= 1000
        return real(self, *given, **more)

    monkeypatch.setattr(MLPClassifier, "partial_fit", property(lambda self: partial_fit.__get__(self)))
    return pipeline, fit_by_epochs(pipeline, learning, TEACHING, MEASURING, folder)


def test_diverging_ends_with_the_best_checkpoint_as_declared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    learning = rules(epochs=40, on_diverging="end").model_copy(update={"diverging": 2})
    pipeline, curve = diverging(learning, folder_at(tmp_path), monkeypatch)
    assert curve.rule == "diverging"
    assert curve.epochs[curve.kept].validation_loss == min(epoch.validation_loss for epoch in curve.epochs)
    (best,) = [one for one in read_all(tmp_path) if one.epoch == curve.kept]
    assert np.array_equal(best.load().predict_proba(VALUES), pipeline.predict_proba(VALUES))


def test_diverging_goes_on_from_the_best_checkpoint_as_declared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    learning = rules(epochs=40, on_diverging="go_on").model_copy(update={"diverging": 2})
    pipeline, curve = diverging(learning, folder_at(tmp_path), monkeypatch)
    assert curve.rule == ""
    assert len(curve.restored) == 1
    assert len(curve.epochs) == 40
    back = curve.restored[0] + 1
    assert curve.epochs[back].train_loss < curve.epochs[back - 1].train_loss
    assert curve.kept > back
    assert curve.epochs[back].learning_rate < curve.epochs[back - 1].learning_rate
    assert "was resumed from its best checkpoint" in curve.words
    assert math.isfinite(pipeline.predict_proba(VALUES).sum())


def test_diverging_again_and_again_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    losses = iter([0.6, 0.6, *(loss for _ in range(20) for pair in ([0.7] * 2, [0.8] * 2, [0.9] * 2) for loss in pair)])
    monkeypatch.setattr("almanac.training.fit.loss.Loss.of", lambda *_: next(losses))
    learning = rules(epochs=40, on_diverging="go_on", max_restores=2).model_copy(update={"diverging": 2})
    curve = fit_by_epochs(net(), learning, TEACHING, MEASURING, folder_at(tmp_path))
    assert (curve.rule, len(curve.restored)) == ("diverging", 2)


def test_restoring_takes_less_than_seconds(tmp_path: Path) -> None:
    pipeline = make_pipeline(StandardScaler(), MLPClassifier((256, 256), random_state=1))
    fit_by_epochs(pipeline, rules(epochs=1), TEACHING, MEASURING, folder_at(tmp_path))
    started = time.monotonic()
    read_all(tmp_path)[-1].load()
    assert time.monotonic() - started < 5


def test_loss_log_of_a_loss_that_is_no_number_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    losses = iter([0.6, 0.6, 0.5, 0.5, 0.4, 0.4, *[math.inf] * 9])
    monkeypatch.setattr("almanac.training.fit.loss.Loss.of", lambda *_: next(losses))
    curve = fit_by_epochs(net(), rules(on_diverging="end"), TEACHING, MEASURING, folder_at(tmp_path))
    assert curve.rule == "diverging"
    last = (tmp_path / "losses.jsonl").read_text().splitlines()[-1]
    assert json.loads(last)["train_loss"] == "inf"


def test_train_writes_checkpoints_of_the_last_fit_only(small: Any, change: Any, frame: Any, tmp_path: Path) -> None:
    candidate = {
        "estimator": "sklearn.neural_network.MLPClassifier",
        "scale": True,
        "params": {"hidden_layer_sizes": 8},
        "learning": {"epochs": 4, "checkpoints": {"every": 2}},
    }
    model = change(small, "train", candidates={"one": candidate})
    made: list[Checkpoints] = []

    def checkpoints(declared: Checkpoints) -> CheckpointFolder:
        made.append(declared)
        return CheckpointFolder(tmp_path, declared.every, declared.keep)

    trained = train_candidate(model, frame, now=NOW, checkpoints=checkpoints)
    assert len(made) == 1
    assert trained.curve is not None
    assert trained.curve.kept in {one.epoch for one in read_all(tmp_path)}
