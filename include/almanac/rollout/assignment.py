"""Which version answers a unit: by its hash, so that every server says the same, also after a restart."""

import hashlib

_BITS = 64


def bucket(unit: str, rollout: str) -> float:
    """The place of a unit in [0, 1), uniform over units; another one in each rollout, so that nobody is always first.

    Args:
        unit: the value of the declared column, as text.
        rollout: the id of the rollout; not of the version, the server, the step or the request.
    """
    digest = hashlib.sha256(f"{rollout}\0{unit}".encode()).digest()
    return int.from_bytes(digest[: _BITS // 8]) / float(2**_BITS)


def is_challengers(unit: str | None, rollout: str, share: float) -> bool:
    """Whether the challenger answers a unit. While the share rises, units only ever move to the challenger.

    Args:
        unit: None: the row has no value, and is the champion's.
        rollout: the id of the rollout.
        share: of units that the challenger answers.
    """
    return unit is not None and bucket(unit, rollout) < share


def unit_of(value: object) -> str | None:
    """A value of a request as text: 7, 7.0 and "7" are one unit; None: there is none."""
    if value is None or value == "":
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip() or None


def unit_hash(unit: str, rollout: str) -> str:
    """What the log keeps of a unit: enough to count units, and not their names."""
    return hashlib.sha256(f"log\0{rollout}\0{unit}".encode()).hexdigest()[:16]
