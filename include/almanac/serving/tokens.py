"""Who may ask: tokens of callers, each for some models and some time. Only their hashes are kept."""

import hashlib
import json
import secrets
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal, get_args

from almanac.config.credentials import private_folder, write_private
from almanac.errors import ConfigError
from almanac.storage.locks import locked

PREFIX = "almanac_"  # so that scanners for leaked secrets find it
_LOCK_TIMEOUT_S = 10.0
EVERY_MODEL = "*"
Scope = Literal["predict", "metrics"]


@dataclass(frozen=True)
class Token:
    """One caller's right to ask. Times are ISO 8601 in UTC.

    Attributes:
        name: of the caller.
        sha256: of the token itself, which is shown once and kept nowhere.
        models: for which models it is good; `*`: for every one.
        created_at, created_by: when, and by which user of the machine.
        expires_at: from when on it is good no longer.
        revoked_at: likewise; empty: it was not revoked.
        scope: what it is good for: predictions, or the figures of `/almanac/metrics` and nothing else.
    """

    name: str
    sha256: str
    models: tuple[str, ...]
    created_at: str
    created_by: str
    expires_at: str
    revoked_at: str = ""
    scope: Scope = "predict"

    def state(self, now: datetime) -> str:
        """`good`, `expired` or `revoked`."""
        if self.revoked_at:
            return "revoked"
        return "good" if now < datetime.fromisoformat(self.expires_at) else "expired"

    def is_for(self, model: str, scope: Scope = "predict") -> bool:
        """Whether it is good for a model, to do what the scope says."""
        return self.scope == scope and (EVERY_MODEL in self.models or model in self.models)


class Tokens:
    """The tokens of an installation, in a file that only its owner can read.

    Args:
        folder: of the service's own files.

    Raises:
        ConfigError: from every method: the file is damaged.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / "tokens.json"
        self._read_at: tuple[int, int] | None = None
        self._known: Mapping[str, Token] = {}

    def all(self) -> tuple[Token, ...]:
        """Every token, the oldest first."""
        if not self.path.exists():
            return ()
        try:
            content = json.loads(self.path.read_text("utf-8"))
            return tuple(Token(**{**each, "models": tuple(each["models"])}) for each in content)
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise ConfigError(
                f"{self.path}: cannot be read: {error!r}. Remove it and create the tokens again: almanac token create"
            ) from error

    def create(
        self,
        name: str,
        *,
        models: tuple[str, ...],
        lasts: timedelta,
        by: str,
        now: datetime,
        scope: Scope = "predict",
    ) -> str:
        """Add one and return it; nobody can see it again.

        Raises:
            ConfigError: there is a good one of this name; or it would never be good.
        """
        if lasts <= timedelta(0) or not models or not name:
            raise ConfigError(
                f"token {name!r}: got models {list(models)} for {lasts}, expected a name, models and a time"
            )
        if scope not in get_args(Scope):
            raise ConfigError(f"token {name!r}: got scope {scope!r}, expected one of {list(get_args(Scope))}")
        text = PREFIX + secrets.token_urlsafe(32)
        made = Token(name, _hash(text), models, now.isoformat(), by, (now + lasts).isoformat(), scope=scope)
        with self._alone():
            known = self.all()
            if any(each.name == name and each.state(now) == "good" for each in known):
                raise ConfigError(f"token {name!r}: there is one already; revoke it first: almanac token revoke {name}")
            self._write((*known, made))
        return text

    def revoke(self, name: str, *, now: datetime) -> int:
        """Let the tokens of a name be good no longer; returns how many were."""
        with self._alone():
            known = self.all()
            good = [each for each in known if each.name == name and each.state(now) == "good"]
            self._write(tuple(replace(each, revoked_at=now.isoformat()) if each in good else each for each in known))
        return len(good)

    def owner(self, text: str, now: datetime) -> Token | None:
        """Whose token this is; None: nobody's, or it is not good any more."""
        found = self._by_hash().get(_hash(text))
        return found if found is not None and found.state(now) == "good" else None

    def _by_hash(self) -> Mapping[str, Token]:
        """What the file says now: it is read again when it has changed."""
        try:
            status = self.path.stat()
        except FileNotFoundError:
            return {}
        at = (status.st_mtime_ns, status.st_ino)
        if at != self._read_at:
            self._known = {each.sha256: each for each in self.all()}
            self._read_at = at
        return self._known

    def _alone(self) -> AbstractContextManager[None]:
        private_folder(self.path.parent)
        return locked(self.path.with_suffix(".lock"), lambda: None, timeout_s=_LOCK_TIMEOUT_S)

    def _write(self, tokens: tuple[Token, ...]) -> None:
        write_private(self.path, json.dumps([asdict(each) for each in tokens], indent=2) + "\n")


def _hash(text: str) -> str:
    # a random token of 256 bits needs no slow hash: nobody can try them all
    return hashlib.sha256(text.encode()).hexdigest()
