"""The search box: a prediction's id, a batch, a version or a file. Each is looked up by an index."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import select

from almanac.config.home import Home
from almanac.config.schema import Declared
from almanac.display import MAX_NAME, shorten
from almanac.journal.journal import Journal
from almanac.journal.tables import alias_moves, batches
from almanac.reporting.urls import Urls

MOST = 50
_ALIASES = ("champion", "challenger", "shadow")
MAX_CHARACTERS = 700  # of a file's address in the journal
_BATCH = re.compile(r"[0-9a-f]{8,64}")
_VERSION = re.compile(r"(?:([a-z0-9_]{1,100})@)?v?([0-9]{1,9})")
_PREDICTION = re.compile(r"([a-z0-9_]{1,100})/(\d{4}-\d\d-\d\dT[0-9:.]+Z?[+0-9:]*)(?:/[^/]+)*/([0-9]{1,9})")


@dataclass(frozen=True)
class Hit:
    """One thing that was found.

    Attributes:
        kind: prediction, version, batch or file.
        model: whose.
        words: what it is.
        link: to its page.
        command: that says more, for a terminal; empty: the page says all.
    """

    kind: str
    model: str
    words: str
    link: str
    command: str = ""


def search(text: str, models: Sequence[Declared], home: Home, journal: Journal, urls: Urls) -> tuple[Hit, ...]:
    """What a text names among the models that the reader may see; at most `MOST`.

    Raises:
        TransientError: the journal is unreachable.
    """
    text = text.strip()[:MAX_CHARACTERS]
    if not text:
        return ()
    names = [model.name for model in models]
    found = [
        *_prediction(text, names, urls),
        *_versions(text, names, journal, urls),
        *_batches(text, names, home, journal, urls),
    ]
    return tuple(found[:MOST])


def _prediction(text: str, names: Sequence[str], urls: Urls) -> Iterator[Hit]:
    match = _PREDICTION.fullmatch(text)
    if match and match[1] in names:
        words = f"prediction of version {match[3]} for {match[2]}"
        yield Hit("prediction", match[1], words, urls.model(match[1]), f"almanac lineage {text}")


def _versions(text: str, names: Sequence[str], journal: Journal, urls: Urls) -> Iterator[Hit]:
    match = _VERSION.fullmatch(text)
    if match is None:
        return
    columns = alias_moves.c
    for name in [match[1]] if match[1] in names else names if match[1] is None else ():
        query = select(columns.alias, columns.moved_at).where(
            columns.model == name,
            columns.alias.in_(("champion", "challenger", "shadow")),
            columns.to_version == match[2],
        )
        with journal.transaction() as connection:
            row = connection.execute(query.order_by(columns.id.desc()).limit(1)).first()
        if row is not None:
            words = f"version {match[2]}: {row.alias} since {row.moved_at:%Y-%m-%d %H:%M} UTC, by its newest move"
            yield Hit("version", name, words, urls.model(name), f"almanac lineage {name}@{match[2]}")


def _batches(text: str, names: Sequence[str], home: Home, journal: Journal, urls: Urls) -> Iterator[Hit]:
    """By the beginning of an id, or by a file's whole name or address."""
    columns = batches.c
    for name in names:
        query = select(columns.batch_id, columns.uri, columns.state).where(columns.model == name)
        if _BATCH.fullmatch(text):
            kind, query = "batch", query.where(columns.batch_id >= text, columns.batch_id < f"{text}g")
        else:
            kind, query = "file", query.where(columns.uri.in_((text, f"{home.landing_of(name)}/{text}")))
        with journal.transaction() as connection:
            rows = connection.execute(query.order_by(columns.recorded_at.desc()).limit(MOST)).all()
        for row in rows:
            words = f"{shorten(row.uri.rsplit('/', 1)[-1], MAX_NAME)}: {row.state}"
            yield Hit(kind, name, words, urls.batch(name, row.batch_id[:12]))
