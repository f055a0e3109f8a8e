"""The tree of errors.

AlmanacError
├── PermanentError        trying again cannot help: a person must act; never retried
│   ├── ConfigError       a YAML file or a setting is wrong
│   ├── DataError         data are not what the model's YAML declares
│   ├── RegistryError     the model registry does not hold what was asked for
│   ├── IntegrityError    bytes are not what was recorded: a hash or a signature disagrees
│   │   ├── DataLossError         a commit, a table or a file that was there before is missing or damaged
│   │   └── DamagedDatabaseError  a database file is damaged
│   └── ApprovalError     the request needs an approval that no entitled person has given
└── TransientError        a network, a lock, a service that is away: retried with growing pauses
    └── JournalSchemaError        the journal's tables are those of another release, until somebody upgrades them

A message says where, what is wrong, what was got, what was expected and what to do next.
"""

from collections.abc import Sequence

from almanac.display import MAX_ERROR, shorten


class AlmanacError(Exception):
    """Every error that Almanac raises on purpose. What it quotes of others is cut and cleaned when it is shown."""

    def __str__(self) -> str:
        return shorten(super().__str__(), MAX_ERROR)


class PermanentError(AlmanacError):
    """A retry cannot help; the task fails at once and an alert is sent."""


class ConfigError(PermanentError):
    """A model's YAML or a setting is wrong."""


class DataError(PermanentError):
    """Data are not what the model's YAML declares."""


class RegistryError(PermanentError):
    """The model registry does not hold what was asked for."""


class IntegrityError(PermanentError):
    """Bytes are not what was recorded when they were written."""


class DataLossError(IntegrityError):
    """A commit, a table or a file that was there before is missing or damaged."""


class DamagedDatabaseError(IntegrityError):
    """A database file is damaged; waiting does not repair it."""


class ApprovalError(PermanentError):
    """The request needs an approval that no entitled person has given."""


class TransientError(AlmanacError):
    """A transient error: the task is retried with growing pauses."""


class JournalSchemaError(TransientError):
    """The journal's tables are those of another release. Retried: the upgrade may be under way in another process."""


def raise_together(words: str, errors: Sequence[tuple[str, Exception]]) -> None:
    """Say what went wrong with some of many things, after all were tried.

    Args:
        words: what has become of the rest.
        errors: what could not be done, by its name, and why.

    Raises:
        TransientError: there is something, and some of it may be done by another try.
        AlmanacError: there is one thing: what was wrong with it.
        IntegrityError: there are more.
    """
    if not errors:
        return
    first = errors[0][1]
    if len(errors) == 1 and isinstance(first, AlmanacError):
        raise first
    message = "\n".join([f"{words}:", *(f"{what}: {error}" for what, error in errors)])
    passing = any(isinstance(error, TransientError) for _, error in errors)
    raise (TransientError if passing else IntegrityError)(message) from first
