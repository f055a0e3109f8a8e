"""Champion and challenger answer the rows of a request: each unit by its version, every row by somebody."""

import os
import queue
import threading
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from almanac.config.schema import Model
from almanac.config.sections.rollout import Rollout
from almanac.features.features import FeatureMatrix
from almanac.journal.records import RolloutTransition
from almanac.registry.onnx_model import OnnxModel
from almanac.rollout.assignment import is_challengers, unit_hash, unit_of
from almanac.rollout.evidence import CHALLENGER_ARM, CHAMPION_ARM
from almanac.scoring.answer import RowAnswers, answer_rows

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_Piece = tuple[Callable[[], Any], Future[Any]]
_NICE = 10
MOST_MIRRORED = 32  # requests that wait for the other version's word; of more it is not asked
CHALLENGER_S = 1.0  # after that the champion answers in its place


class Worker:
    """One thread, for work that may hang: nobody waits for it longer than they want, and it does not keep the process.

    Args:
        name: of the thread.
        most: pieces of work at a time, with the one that is done; more are refused.
        yields: other threads of the machine come first.
    """

    def __init__(self, name: str, *, most: int = 1, yields: bool = False) -> None:
        self._queue: queue.Queue[_Piece | None] = queue.Queue()
        self._most = most
        weakref.finalize(self, self._queue.put, None)  # the thread ends when nobody can ask it any more
        threading.Thread(target=_work, args=(self._queue, yields), name=name, daemon=True).start()

    def submit(self, call: Callable[[], Any]) -> "Future[Any] | None":
        """Let it do something; None: too much waits, probably behind something that hangs."""
        if self._queue.unfinished_tasks >= self._most:
            return None
        future: Future[Any] = Future()
        self._queue.put((call, future))
        return future


@dataclass(frozen=True, eq=False)
class Challenger:
    """A version that takes over from the one that is served.

    Attributes:
        at: where its rollout stands.
        graph: verified, and warm.
        unit: the column by whose values requests are divided.
        compares: whether the other version's word on each row is wanted.
        worker: computes its answers, apart from the champion.
        mirror: computes what nobody waits for.
    """

    at: RolloutTransition
    graph: OnnxModel
    unit: str
    compares: bool
    worker: Worker
    mirror: Worker

    @classmethod
    def of(cls, at: RolloutTransition, graph: OnnxModel, rollout: Rollout) -> "Challenger":
        """A challenger with threads of its own."""
        worker = Worker(f"challenger {at.id}")
        mirror = Worker(f"mirror {at.id}", most=MOST_MIRRORED, yields=True)
        return cls(at, graph, rollout.unit, rollout.guard.disagreement is not None, worker, mirror)

    @property
    def mirrors(self) -> bool:
        """Whether it answers nobody yet."""
        return not self.at.share

    def unit_of(self, row: Mapping[str, object]) -> str | None:
        """The unit of a row as it was sent."""
        return unit_of(row.get(self.unit))

    def hash_of(self, unit: str | None) -> str | None:
        """What the log keeps of a unit."""
        return None if unit is None else unit_hash(unit, self.at.id)

    def answers(self, unit: str | None) -> bool:
        """Whether a unit is the challenger's."""
        return is_challengers(unit, self.at.id, self.at.share)


@dataclass(frozen=True)
class RowAnswer:
    """The answer to one row.

    Attributes:
        said: the columns of a prediction, by name.
        missing: the features without a value, as text.
        version: that answered.
        arm: in which role.
        failed: the arm that was asked and did not answer; None: the one that was asked has answered.
        latency_us: of its graph, shared by the rows that it answered together.
    """

    said: dict[str, Any]
    missing: str | None
    version: str
    arm: str
    failed: str | None
    latency_us: float


@dataclass(frozen=True)
class Arms:
    """The versions that may answer: the champion, and perhaps a challenger beside it."""

    model: Model
    version: str
    graph: OnnxModel
    challenger: Challenger | None

    def answer(self, matrix: FeatureMatrix, units: Sequence[str | None]) -> list[RowAnswer]:
        """Answer each row by the version of its unit; where the challenger fails to, the champion answers.

        Args:
            matrix: [n, k].
            units: [n].

        Raises:
            AlmanacError: the champion cannot answer.
        """
        import numpy as np

        challenger = self.challenger
        if challenger is None or challenger.mirrors:
            return self._by_champion(matrix, None)
        theirs = np.array([challenger.answers(unit) for unit in units], dtype=bool)
        if not theirs.any():
            return self._by_champion(matrix, None)
        # begun first: the champion computes its own rows meanwhile, whatever becomes of the challenger
        part, deadline = rows_of(matrix, theirs), time.monotonic() + CHALLENGER_S
        asked = challenger.worker.submit(lambda: timed(self.model, challenger.graph, part))
        own = iter(self._by_champion(rows_of(matrix, ~theirs), None) if not theirs.all() else ())
        other = iter(self._by_challenger(challenger, asked, part, deadline))
        return [next(other) if each else next(own) for each in theirs]

    def _by_challenger(
        self, challenger: Challenger, asked: "Future[Any] | None", part: FeatureMatrix, deadline: float
    ) -> list[RowAnswer]:
        try:
            if asked is None:
                raise TimeoutError
            answers, latency_us = asked.result(max(0.0, deadline - time.monotonic()))
            rows = say(answers, challenger.at.version, CHALLENGER_ARM, latency_us)
            broken = ~answers.answered
        except Exception:  # noqa: BLE001 - whatever the challenger raises: it is counted, and the champion answers
            return self._by_champion(part, CHALLENGER_ARM)
        if broken.any():
            instead = iter(self._by_champion(rows_of(part, broken), CHALLENGER_ARM))
            rows = [next(instead) if each else row for each, row in zip(broken, rows, strict=True)]
        return rows

    def _by_champion(self, matrix: FeatureMatrix, failed: str | None) -> list[RowAnswer]:
        answers, latency_us = timed(self.model, self.graph, matrix)
        return say(answers, self.version, CHAMPION_ARM, latency_us, failed)


def say(answers: RowAnswers, version: str, arm: str, latency_us: float, failed: str | None = None) -> list[RowAnswer]:
    """A version's word on each row; one on which it gives no number is one that it failed to answer."""
    return [
        RowAnswer(said, missing, version, arm, failed or (None if answered else arm), latency_us)
        for said, missing, answered in zip(answers.rows, answers.missing, answers.answered.tolist(), strict=True)
    ]


def timed(model: Model, graph: OnnxModel, matrix: FeatureMatrix) -> tuple[RowAnswers, float]:
    """A graph's answers, and how many microseconds each took."""
    began = time.perf_counter()
    answers = answer_rows(model, graph, matrix)
    return answers, (time.perf_counter() - began) / max(1, len(matrix.values)) * 1e6


def rows_of(matrix: FeatureMatrix, chosen: "NDArray[np.bool_]") -> FeatureMatrix:
    """Some rows, [n] marks which."""
    return matrix.taken(chosen)


def _work(waiting: "queue.Queue[_Piece | None]", yields: bool) -> None:
    if yields:
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
    while (piece := waiting.get()) is not None:
        call, future = piece
        try:
            future.set_result(call())
        except Exception as error:  # noqa: BLE001 - who asked for it is told, and the next one is done
            future.set_exception(error)
        finally:
            waiting.task_done()
        del piece, call, future  # they hold what they work with
