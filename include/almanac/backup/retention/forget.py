"""Plans what retention would forget, and forgets it by a tombstone. `almanac.backup.retention.sweep` deletes, later."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from almanac.backup.retention.pins import AliasRegistry, Pins, find_pins, member_pins
from almanac.backup.retention.retention import Choice, choose
from almanac.backup.store.catalogue import Catalogue
from almanac.backup.store.manifest import Manifest, Ref
from almanac.backup.store.repository import BackupRepository
from almanac.config.schema import Model
from almanac.config.sections.retention.backup import Keep, Retention
from almanac.errors import DataError, IntegrityError
from almanac.failpoints import failpoint

KeepOf = Callable[[str], Keep]


@dataclass(frozen=True)
class ForgetPlan:
    """One choice for each snapshot of a repository, by subject, the newest first."""

    choices: tuple[Choice, ...]

    @property
    def going(self) -> tuple[Ref, ...]:
        """What would be forgotten."""
        return tuple(choice.ref for choice in self.choices if not choice.stays)


_KEPT_LIKE = {"checkpoints": "model", "folder": "outputs"}


def keep_of(models: Sequence[Model], retention: Retention, *, second: bool = False) -> KeepOf:
    """The policy of each subject: its model's, or the installation's; without a declared model, what is built in.

    Args:
        models: the declared ones.
        retention: of the installation.
        second: in the secondary repository, which may have policies of its own.
    """
    from almanac.config.sections.retention.backup import KeepOfModel

    declared = {model.name: model.backup.keep for model in models}

    def of(subject: str) -> Keep:
        kind, name = subject.split("/")
        other: Keep | None = getattr(retention.second, _KEPT_LIKE.get(kind, kind))
        if second and other is not None:
            return other
        own = declared.get(name, KeepOfModel()) if kind != "folder" else KeepOfModel()
        match kind:
            case "model" | "checkpoints":
                return own.model
            case "dataset":
                return own.dataset
            case "outputs" | "folder":
                return own.outputs
            case "group":
                return retention.group
            case _:
                return retention.database

    return of


def plan_forget(
    repository: BackupRepository, keep: KeepOf, registry: AliasRegistry, *, models: Sequence[str], now: datetime
) -> ForgetPlan:
    """Say what would be forgotten, and why the rest stays; nothing is changed.

    Args:
        repository: whose snapshots.
        keep: the policy of each subject.
        registry: says what is in use.
        models: the declared models.
        now: aware; later times are in the future.

    Raises:
        RegistryError, TransientError: what is in use cannot be known; so nothing may go.
    """
    catalogue = Catalogue(repository)
    manifests, damaged = read_all(catalogue)
    pins = find_pins(catalogue, manifests, registry, models=models)
    groups = [ref for ref in manifests if ref.subject.startswith("group/")]
    choices = _choose(groups, keep, now, pins)
    staying = [choice.ref for choice in choices if choice.stays]
    both = _joined(pins, member_pins(staying, manifests))
    choices += _choose([ref for ref in manifests if ref not in groups], keep, now, both)
    choices += [Choice(ref, (f"damaged, so a person must decide: {problem}",)) for ref, problem in damaged.items()]
    return ForgetPlan(tuple(choices))


def forget(repository: BackupRepository, plan: ForgetPlan, *, now: datetime, by: str, reason: str) -> int:
    """Write a tombstone for each forgotten snapshot; give their number. May be interrupted anywhere and repeated."""
    catalogue = Catalogue(repository)
    for ref in plan.going:
        catalogue.add_tombstone(ref, at=now, by=by, reason=reason)
        failpoint("backup_forget")
    return len(plan.going)


def forget_one(
    repository: BackupRepository, ref: Ref, plan: ForgetPlan, *, now: datetime, by: str, reason: str
) -> None:
    """Forget one snapshot that a person names, though the policy would keep it; what something needs stays.

    Raises:
        DataError: something needs it.
    """
    check_not_needed(ref, plan)
    Catalogue(repository).add_tombstone(ref, at=now, by=by, reason=reason)


def check_not_needed(ref: Ref, plan: ForgetPlan) -> None:
    """Refuse a snapshot that something needs.

    Raises:
        DataError: something does.
    """
    needs = [need for choice in plan.choices if choice.ref == ref for need in choice.needs]
    if needs:
        raise DataError(f"{ref}: cannot be forgotten: {'; '.join(needs)}. Release it, or take it out of use first")


def read_all(catalogue: Catalogue) -> tuple[dict[Ref, Manifest], dict[Ref, str]]:
    """The snapshots of a repository that can be read, and what is wrong with the others."""
    manifests: dict[Ref, Manifest] = {}
    damaged: dict[Ref, str] = {}
    for ref in catalogue.refs():
        try:
            manifests[ref] = catalogue.read(ref)
        except IntegrityError as error:
            damaged[ref] = str(error)
    return manifests, damaged


def _choose(refs: Sequence[Ref], keep: KeepOf, now: datetime, pins: Pins) -> list[Choice]:
    choices: list[Choice] = []
    for subject in sorted({ref.subject for ref in refs}):
        choices += choose([ref for ref in refs if ref.subject == subject], keep(subject), now=now, pins=pins)
    return choices


def _joined(one: Pins, other: Pins) -> Mapping[Ref, Sequence[str]]:
    return {ref: [*one.get(ref, ()), *other.get(ref, ())] for ref in {*one, *other}}
