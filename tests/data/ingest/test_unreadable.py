"""Whatever one file makes a library raise: that file is rejected with words, and the others are taken."""

import pytest
from polars.exceptions import PanicException

from almanac.data.ingest import file_ingest
from almanac.errors import DataError, TransientError
from tests.data.installation import KilledError, Site, tiny_csv

ROWS = [(hour, 1.0, "a") for hour in range(3)]
LATER = [(hour, 1.0, "a") for hour in range(3, 6)]


class Raising:
    """In the place of `open_records`: the file of one name raises."""

    def __init__(self, name: str, error: BaseException) -> None:
        self._name, self._error, self._open = name, error, file_ingest.open_records

    def __call__(self, content, declared, dataset):
        if content.name == self._name:
            raise self._error
        return self._open(content, declared, dataset)


@pytest.mark.parametrize(
    "error",
    [
        PanicException("called `Option::unwrap()` on a `None` value"),
        ValueError("x" * 5000),
        RecursionError("deep"),
        UnicodeEncodeError("utf-8", "\ud83d", 0, 1, "surrogates not allowed"),
        KeyError("\x1b[31m"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_whatever_a_file_raises_it_is_rejected_and_the_next_is_taken(site: Site, monkeypatch, error) -> None:
    site.land("a.csv", tiny_csv(ROWS))
    site.land("b.csv", tiny_csv(LATER))
    monkeypatch.setattr(file_ingest, "open_records", Raising("a.csv", error))
    found = site.ingest()
    (rejected,) = found.rejected
    assert rejected.reasons[0].startswith(f"a.csv: unreadable: {type(error).__name__}: ")
    assert len(rejected.reasons[0]) < 800
    assert found.published_rows == 3
    assert len(site.rejected_files()) == 1
    assert site.new() == []


@pytest.mark.parametrize(
    "error", [KeyboardInterrupt(), SystemExit(1), KilledError(), MemoryError(), OSError("full")], ids=repr
)
def test_what_stops_the_process_or_passes_rejects_nothing(site: Site, monkeypatch, error) -> None:
    site.land("a.csv", tiny_csv(ROWS))
    monkeypatch.setattr(file_ingest, "open_records", Raising("a.csv", error))
    with pytest.raises(TransientError if isinstance(error, OSError) else type(error)):  # a full disk passes
        site.ingest()
    assert site.rejected_files() == []
    assert len(site.new()) == 1


def test_known_faults_stay_what_they_are(site: Site, monkeypatch) -> None:
    site.land("a.csv", tiny_csv(ROWS))
    monkeypatch.setattr(file_ingest, "open_records", Raising("a.csv", TransientError("away")))
    with pytest.raises(TransientError, match="away"):
        site.ingest()
    monkeypatch.setattr(file_ingest, "open_records", Raising("a.csv", DataError("a.csv: not CSV")))
    assert site.ingest().rejected[0].reasons == ("a.csv: not CSV",)


def test_fault_after_the_commit_rejects_nothing(site: Site) -> None:
    def fail(step: str, _batch: str) -> None:
        if step == "committed":
            raise ValueError("after the commit")

    site.land("a.csv", tiny_csv(ROWS))
    with pytest.raises(ValueError, match="after the commit"):
        site.ingest(on_step=fail)
    assert site.rejected_files() == []
    assert site.ingest().published_batches == 1
    assert site.dataset.count() == 3
