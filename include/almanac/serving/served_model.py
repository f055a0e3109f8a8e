"""One model that answers requests: it follows the champion and the dataset; what works stays until the new works."""

import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

from almanac.config.files.loader import find_model
from almanac.config.home import Home
from almanac.config.schema import Model
from almanac.errors import AlmanacError, ConfigError, DataError, PermanentError
from almanac.features.features import feature_columns
from almanac.features.own import own_sha256
from almanac.journal.journal import Journal
from almanac.journal.records import RolloutState, RolloutTransition, RunRef
from almanac.journal.rollouts import Rollouts
from almanac.registry.as_trained import as_trained
from almanac.registry.onnx_model import OnnxModel
from almanac.registry.records import CHAMPION, ModelVersion
from almanac.rollout.progress import after, fall_back
from almanac.rollout.watch import RolloutObserver, fall_back_if_worse
from almanac.scoring.pause import stopped, why_stopped
from almanac.serving.arms import Arms, Challenger
from almanac.serving.compiled.plan import RowPlan
from almanac.serving.history import History, looks_at_others
from almanac.serving.request_rows import RequestReader
from almanac.serving.version_cache import CachedVersion, VersionCache

if TYPE_CHECKING:
    import polars as pl

_log = logging.getLogger(__name__)
LEASE_S = 10.0  # without a word of the journal for so long the champion answers everybody


class VersionRegistry(Protocol):
    """What the service needs of the registry; `almanac.registry.store.Registry` gives it."""

    def aliases(self, model: str) -> dict[str, str]:
        """Alias -> version number."""

    def version(self, model: str, number: str | int) -> ModelVersion:
        """One version."""

    def load_onnx(self, version: ModelVersion) -> bytes:
        """Its verified graph."""


@dataclass(frozen=True, eq=False)
class ServedVersion:
    """What a request is answered with: one version, the declaration that it fits, one state of the dataset.

    It is exchanged whole, so that no request sees parts of two.
    """

    model: Model
    version: str
    graph: OnnxModel
    reader: RequestReader
    history: History | None
    challenger: Challenger | None = None
    plan: RowPlan | None = None  # how small requests are answered without a frame; None: they are not

    @cached_property
    def dataset_state(self) -> dict[str, object] | None:
        """The state of the dataset that features look back into, for callers; None: they do not."""
        if self.history is None:
            return None
        newest = self.history.newest
        return {"dataset_version": self.history.rows.version, "until": newest.isoformat() if newest else None}

    def frame_for(self, asked: "pl.DataFrame") -> "pl.DataFrame":
        """A request's rows behind those that their features look back to; see `History.frame_for`."""
        return asked.select(feature_columns(self.model)) if self.history is None else self.history.frame_for(asked)


class ServedModel:
    """Keeps `served` up to date. `refresh` is called again and again, by one thread.

    Args:
        home: where everything is.
        name: of the model.
        registry: says which version is champion.
        journal: says whether scoring was stopped.
        clock: what time it is, aware.
        monotonic: seconds that no change of the clock touches.
    """

    def __init__(
        self,
        home: Home,
        name: str,
        registry: VersionRegistry,
        journal: Journal,
        clock: Callable[[], datetime],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._home, self._registry, self._journal = home, registry, journal
        self._rollouts, self._monotonic, self._rollout_read_s = Rollouts(journal), monotonic, -math.inf
        self._observer = RolloutObserver()
        self._cache = VersionCache(home.serving, name)
        self._clock = clock
        self.name = name
        self.served: ServedVersion | None = None
        self.problems: dict[str, str] = {}  # what does not work -> why; what is served is from before
        self.refreshed_at: datetime | None = None
        self.unmirrored = 0  # requests of which the other version was not asked, because it was busy
        self._allowed = False  # until the journal has said so once; then what it said last counts while it is away

    def refresh(self) -> None:
        """Look at the registry, the journal and the dataset; what fails leaves `served` as it was and says why."""
        self._try("scoring", self._follow_scoring)
        if self._allowed:
            self._try("champion", self._follow_champion)
            self._try("rollout", self._follow_rollout)
            self._try("history", self._follow_dataset)
        self.refreshed_at = self._clock()

    def _try(self, what: str, step: Callable[[], None]) -> None:
        try:
            step()
            self.problems.pop(what, None)
        except AlmanacError as error:
            if self.problems.get(what) != str(error):
                _log.warning("%s: %s: %s", self.name, what, error)
            self.problems[what] = str(error)

    def _follow_champion(self) -> None:
        try:
            number = self._registry.aliases(self.name).get(CHAMPION)
        except AlmanacError:
            if self.served is None:
                self._start_from_cache()
            raise
        if number is None:
            self.served = None
            raise ConfigError(f"{self.name}: no champion yet: no version to answer with")
        if self.served is not None and self.served.version == number:
            return
        version = self._registry.version(self.name, number)
        graph = self._registry.load_onnx(version)
        self._serve(number, graph)
        try:
            self._cache.keep(CachedVersion(self.name, number, version.onnx_sha256), graph)
        except OSError as error:  # it serves all the same; only a start without the registry would not
            _log.warning("%s: version %s is not kept on this disk: %s", self.name, number, error)

    def _start_from_cache(self) -> None:
        found = self._cache.load()
        if found is not None:
            version, graph = found
            self._serve(version.version, graph)

    def _serve(self, number: str, content: bytes) -> None:
        """Exchange what is served, once it has answered."""
        model = find_model(self._home.models, self.name)
        if model.serve is None:
            raise ConfigError(f"{self.name}: it declares no `serve`, so it answers no requests")
        model = as_trained(model, OnnxModel(content))
        graph = _load(model, f"{self.name}@{number}", content)
        history = History.read(self._home, model) if looks_at_others(model) else None
        reader = RequestReader(model)
        plan = RowPlan.of(model, reader)
        plan = None if plan is None else plan.with_history(history)
        self.served = ServedVersion(model, number, graph, reader, history, plan=plan)
        _log.info("%s: version %s answers", self.name, number)

    def _follow_dataset(self) -> None:
        served = self.served
        if served is None or served.history is None:
            return
        newest = History.version_of(self._home, served.model)
        if newest != (served.history.rows.version, dict(served.history.rows.joined)):
            fresh = History.read(self._home, served.model)
            plan = None if served.plan is None else served.plan.with_history(fresh)
            self.served = replace(served, history=fresh, plan=plan)

    def arms_of(self, served: ServedVersion) -> Arms:
        """Who may answer now: a challenger only while the journal says so, or has said so a moment ago."""
        known = self._monotonic() - self._rollout_read_s <= LEASE_S
        return Arms(served.model, served.version, served.graph, served.challenger if known else None)

    @property
    def share(self) -> float:
        """Of units that a challenger answers now."""
        served = self.served
        challenger = None if served is None else self.arms_of(served).challenger
        return 0.0 if challenger is None else challenger.at.share

    def stepped_since(self, since: datetime) -> bool:
        """Whether a rollout is open that has moved since a time."""
        served = self.served
        return served is not None and served.challenger is not None and served.challenger.at.changed_at >= since

    def _follow_rollout(self) -> None:
        """Take what the journal says of a rollout: the share, and whether there is a challenger at all."""
        at = self._rollouts.newest(self.name)
        served = self.served
        if served is None:
            return
        challenger = served.challenger
        if at is None or not at.is_live or at.against != served.version or served.model.rollout is None:
            try:
                if at is not None and at.state is RolloutState.DONE and challenger is not None:
                    self._follow_champion()  # it is the challenger now: nobody goes back to the one before
            finally:
                self._exchange(None)
        elif challenger is None or challenger.at.id != at.id:
            self._exchange(None)
            self._exchange(self._load_challenger(served.model, at))
        elif challenger.at != at:
            self.served = replace(served, challenger=replace(challenger, at=at))
        self._rollout_read_s = self._monotonic()

    def _exchange(self, challenger: Challenger | None) -> None:
        served = self.served
        if served is None or served.challenger is challenger:
            return
        self.served = replace(served, challenger=challenger)
        if challenger is not None:
            _log.info("%s: version %s is the challenger (%s)", self.name, challenger.at.version, challenger.at.id)

    def _load_challenger(self, model: Model, at: RolloutTransition) -> Challenger | None:
        """Load it; one that cannot be loaded gives up its rollout, and touches nothing else."""
        try:
            version = self._registry.version(self.name, at.version)
            graph = _load(model, f"{self.name}@{at.version}", self._registry.load_onnx(version))
        except PermanentError as error:
            now = self._clock()
            move = fall_back(f"it cannot be loaded: {error}")
            self._rollouts.record(after(at, move, run=_run(now), now=now))
            _log.warning("%s: version %s cannot be loaded: %s", self.name, at.version, error)
            return None
        if model.rollout is None:
            return None
        return Challenger.of(at, graph, model.rollout)

    def watch_rollout(self) -> None:
        """Fall back where a guard says so; the next refresh takes it."""
        served, now = self.served, self._clock()
        if served is None or served.challenger is None:
            return
        at = self._rollouts.newest(self.name)
        if at is not None and at.is_live and at.against == served.version:
            fall_back_if_worse(
                self._home, served.model, self._rollouts, at, run=_run(now), now=now, observer=self._observer
            )

    def _follow_scoring(self) -> None:
        """A person, or the monitor, has stopped scoring: nothing is answered until it is resumed."""
        decision = stopped(self._journal, self.name)
        self._allowed = decision is None
        if decision is not None:
            self.served = None
            raise ConfigError(why_stopped(decision))


def _load(model: Model, where: str, content: bytes) -> OnnxModel:
    """A graph that fits the declaration, and has answered once: the first answer is the slowest.

    Raises:
        DataError: it does not fit.
        IntegrityError: it fails.
    """
    import numpy as np

    graph = OnnxModel(content)
    known = {name for feature in model.features for name in feature.names}
    if unknown := [name for name in graph.features if name not in known]:
        raise DataError(f"{where}: its graph reads {unknown}, which the YAML does not declare; got {sorted(known)}")
    if graph.code != own_sha256(model):
        raise DataError(
            f"{where}: its graph was trained with own features of the SHA-256 {graph.code or '(none)'}, requests are"
            f" answered with those of {own_sha256(model) or '(none)'}. Put its file beside the model's YAML, as"
            f" {model.name}.<any word>.py; the two versions of a rollout need the same code"
        )
    if set(graph.classes) != set(model.label.classes or ()):
        raise DataError(
            f"{where}: its graph predicts the classes {list(graph.classes)}, the YAML declares"
            f" {list(model.label.classes or ())}. Train again"
        )
    graph.predict(np.zeros((1, len(graph.features)), dtype=np.float32))
    return graph


def _run(now: datetime) -> RunRef:
    return RunRef("almanac", f"serve__{now.isoformat()}", started_by="the service", trigger="guard")
