"""The records of the journal, one frozen dataclass per table."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from almanac.display import MAX_ERROR, shorten, shorten_lines


class BatchState(StrEnum):
    """The result of a batch."""

    PUBLISHED = "published"
    DUPLICATE = "duplicate"  # the same bytes were ingested before, under this or another name
    EMPTY = "empty"  # a valid header and no rows
    UNCHANGED = "unchanged"  # other bytes, but the dataset holds every row already, so nothing was committed
    REJECTED = "rejected"


class DecisionKind(StrEnum):
    """The kind of a decision."""

    TRAINING = "training"
    GATES = "gates"
    APPROVAL = "approval"
    PROMOTION = "promotion"
    ROLLBACK = "rollback"
    ROLLBACK_DRILL = "rollback_drill"
    SHADOW = "shadow"
    RETRAIN_REQUEST = "retrain_request"
    READMISSION = "readmission"
    RESTORE = "restore"
    EVENT = "event"
    SCORING = "scoring"  # accepted: it continues; refused: it is stopped
    EXPIRY = "expiry"  # old outputs were deleted
    BACKUP_KEY = "backup_key"  # a person has rotated the key of the backups
    LOSS = "loss"  # a person has accepted that a table has lost commits or was replaced
    REPAIR = "repair"  # damaged files were restored from snapshots
    ACTION = "action"  # a person's decision about an alarm of the monitor
    QUESTION = "question"  # a person is asked: about what, by which run, until when, and who may answer
    RETIREMENT = "retirement"  # a model without a declaration is no longer protected; refused: it is again
    ALARM = "alarm"  # the actions that one run of the monitor requires; the tasks that execute them read it here
    RETRAIN_ANSWER = "retrain_answer"  # a training run's decision about one request of the monitor or a person
    ADJUSTMENT = "adjustment"  # a person has adjusted the forecast of a grain; refused: it is undone
    SWEEP = "sweep"  # a pipeline that should have run was found and started
    IMPORT = "import"  # a version of another installation has arrived here; refused: it was turned away


class WindowState(StrEnum):
    """The state of a tumbling window."""

    WAITING = "waiting"  # for another model's window of the same time
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    EMPTY = "empty"  # closed, and no row lies in it
    LATE = "late"  # its rows changed after it had closed


@dataclass(frozen=True)
class RunRef:
    """The Airflow run or command that wrote a record: for audits and links."""

    dag_id: str
    run_id: str
    try_number: int = 1
    started_by: str = ""
    trigger: str = ""


@dataclass(frozen=True)
class Arrival:
    """One file as it was seen in the landing area. `etag` or `modified_at` tell a changed file from the same one."""

    model: str
    uri: str
    size_bytes: int
    modified_at: datetime
    batch_id: str = ""
    state: str = ""
    etag: str = ""


@dataclass(frozen=True)
class BatchRecord:
    """One batch and its end. `batch_id` is the SHA-256 of its bytes, in hexadecimal."""

    model: str
    batch_id: str
    uri: str
    size_bytes: int
    modified_at: datetime
    state: BatchState
    rows_read: int
    rows_published: int
    rows_quarantined: int
    rows_dropped: int
    recorded_at: datetime
    run: RunRef
    reasons: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    broken_rules: dict[str, int] = field(default_factory=dict)  # rule name -> rows that broke it
    dataset_version: int | None = None
    window_start: datetime | None = None
    window_end: datetime | None = None  # exclusive
    report_uri: str = ""
    base: str = ""  # of an unchanged batch: the dataset's commit against which it brought nothing

    def __post_init__(self) -> None:
        _shorten(self, "reasons", "warnings")


@dataclass(frozen=True)
class Decision:
    """An acceptance or a refusal, with reasons and figures. Refusals are decisions, never exceptions.

    A question names in `people` who may answer (ids of Airflow users; empty: anyone who may act on the DAG) and in
    `expires_at` until when; an answer names in `people` the id of who gave it. At most one decision of a model and kind
    has a given `cause` (see `Journal.record_once`); None: it has none.
    """

    model: str
    kind: DecisionKind
    accepted: bool
    reasons: tuple[str, ...]
    decided_at: datetime
    run: RunRef
    subject: str = ""  # what it is about, e.g. an MLflow run id or model version
    figures: dict[str, float] = field(default_factory=dict)
    ask: tuple[str, ...] = ()  # accepted, but for these reasons a person must decide on what follows from it
    people: tuple[str, ...] = ()
    expires_at: datetime | None = None
    cause: str | None = None

    def __post_init__(self) -> None:
        _shorten(self, "reasons", "ask")


@dataclass(frozen=True)
class DeliveredAlert:
    """A notification that was sent, or could not be delivered."""

    model: str
    severity: str  # info | warning | critical
    title: str
    text: str
    channel: str
    delivered: bool
    raised_at: datetime
    run: RunRef
    error: str = ""

    def __post_init__(self) -> None:
        for name in ("title", "text", "error"):
            object.__setattr__(self, name, shorten(getattr(self, name), MAX_ERROR))


@dataclass(frozen=True)
class AliasMove:
    """One MLflow alias that moved: who, when, why, from, to."""

    model: str
    alias: str
    from_version: str
    to_version: str
    reason: str
    moved_at: datetime
    run: RunRef


class RolloutState(StrEnum):
    """Where a rollout stands."""

    WAITING = "waiting"  # the challenger answers nobody; its answers are compared
    STEP = "step"
    HELD = "held"  # the step is over, and a guard cannot say yet that all is well
    PAUSED = "paused"  # a person must act
    FALLING_BACK = "falling_back"  # the champion answers everybody; the rest is still to be done
    DONE = "done"  # the challenger is champion
    ABORTED = "aborted"


@dataclass(frozen=True)
class RolloutTransition:
    """One transition of a rollout; the newest of a model says where it stands. Transitions are never changed.

    `(model, ordinal, number)` is unique: of two processes that write the same next transition, one does.

    Attributes:
        model: whose.
        ordinal: counts the rollouts of a model.
        number: counts the transitions of a rollout.
        version: that takes over.
        against: the champion when it began.
        state: from now on.
        step: 0: before the first.
        share: of units that the challenger answers.
        entered: the number of the transition by which this step was entered; evidence of other visits does not count.
        reason: why.
        figures: that the reason rests on.
        changed_at: when.
        run: who.
    """

    model: str
    ordinal: int
    number: int
    version: str
    against: str
    state: RolloutState
    step: int
    share: float
    entered: int
    reason: str
    changed_at: datetime
    run: RunRef
    figures: dict[str, float] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """Of the rollout: `weather/3`."""
        return f"{self.model}/{self.ordinal}"

    @property
    def visit(self) -> str:
        """Of this visit of this step: what is counted together."""
        return f"{self.ordinal}.{self.entered}"

    @property
    def is_open(self) -> bool:
        """Whether something is still to be done."""
        return self.state not in (RolloutState.DONE, RolloutState.ABORTED)

    @property
    def is_live(self) -> bool:
        """Whether the challenger computes anything."""
        return self.is_open and self.state is not RolloutState.FALLING_BACK


@dataclass(frozen=True)
class Watermark:
    """How far a source has been read. Only the source that wrote it understands `value`.

    `name` contains a hash of the declaration: another query or address starts from the beginning.
    """

    model: str
    name: str
    value: str
    recorded_at: datetime
    run: RunRef


@dataclass(frozen=True)
class WindowRecord:
    """One tumbling window `[window_start, window_end)` of a model, as its last run left it."""

    model: str
    window_start: datetime
    window_end: datetime
    state: WindowState
    changed_at: datetime
    run: RunRef
    rows: int = 0
    missing_steps: int = 0
    content: str = ""  # changes when other batches have rows in the window
    dataset_version: int = -1
    reason: str = ""


@dataclass(frozen=True)
class RunTraces:
    """The records of one Airflow run."""

    batches: tuple[BatchRecord, ...] = ()
    windows: tuple[WindowRecord, ...] = ()
    decisions: tuple[Decision, ...] = ()
    alerts: tuple[DeliveredAlert, ...] = ()
    moves: tuple[AliasMove, ...] = ()


@dataclass(frozen=True)
class SnapshotRecord:
    """One snapshot that was taken: the backup repository must still hold it."""

    place: str
    subject: str
    name: str
    taken_at: datetime
    files: int
    size_bytes: int
    new_bytes: int  # stored for it, beside what was there
    run: RunRef


@dataclass(frozen=True)
class DrillRecord:
    """One snapshot that a drill restored and used, or failed to."""

    place: str
    subject: str
    name: str
    level: int
    passed: bool
    meant_to_fail: bool  # a damaged copy; passed: it was refused
    said: tuple[str, ...]
    drilled_at: datetime
    duration_s: float  # of the recovery
    age_s: float  # of the newest snapshot at that time: the data that a loss would cost
    run: RunRef


@dataclass(frozen=True)
class TaskUsage:
    """What one try of a task has used.

    Attributes:
        model: whose; empty: the installation's.
        pipeline: the kind of its DAG; of a team's own DAG its id.
        task_id: in its DAG.
        map_index: of a mapped task; otherwise -1.
        state: success, failed, skipped, or left: it waits outside a process and comes back.
        version: that it registered or promoted; empty: none.
        queue: which workers ran it.
        ended_at: aware.
        wall_s: from the start of its process, or of the try.
        cpu_s: of its process tree.
        peak_bytes: the largest resident set of one of its processes.
        run: of which run and try.
    """

    model: str
    pipeline: str
    task_id: str
    map_index: int
    state: str
    version: str
    queue: str
    ended_at: datetime
    wall_s: float
    cpu_s: float
    peak_bytes: int
    run: RunRef


def _shorten(record: object, *names: str) -> None:
    """Shorten and clean the texts of a record: they quote files, servers and people, and are shown to people."""
    for name in names:
        object.__setattr__(record, name, shorten_lines(getattr(record, name)))
