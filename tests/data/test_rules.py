"""Rules that are declared in YAML and need more than one cell: what becomes of the rows that break them."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from almanac.config.schema import Model
from almanac.config.sections.dataset import Column, Normalise
from tests.data.installation import NOW, START, Site, tiny_csv, tiny_dataset


def _site(tmp_path: Path, weather: Model, **changes: object) -> Site:
    return Site(tmp_path, weather.model_copy(update={"dataset": tiny_dataset(**changes)}))


def _columns(**kind: object) -> dict[str, Column]:
    return {
        "Time": Column(type="timestamp"),
        "x": Column(type="float", min=0, max=10),
        "kind": Column.model_validate({"type": "string", "nullable": True, **kind}),
    }


def _broken(site: Site) -> list[tuple[int, list[str]]]:
    return [(row, list(rules)) for row, rules in site.quarantined().select("row", "rules").rows()]


GOOD = [(hour, 1.5, "a") for hour in range(6)]


def test_regex_must_match_the_whole_text(tmp_path: Path, weather: Model) -> None:
    site = _site(tmp_path, weather, columns=_columns(regex="[a-c]|zz"))
    site.land("a.csv", tiny_csv([*GOOD, (6, 1, "zz"), (7, 1, "az"), (8, 1, "A")]))
    assert site.ingest().published_rows == 7
    assert _broken(site) == [(8, ["kind.regex"]), (9, ["kind.regex"])]


def test_normalised_texts_are_compared_and_published_as_declared(tmp_path: Path, weather: Model) -> None:
    how = Normalise(case="lower", map={"alpha": "a"})
    site = _site(tmp_path, weather, columns=_columns(values=("a", "b"), normalise=how))
    site.land("a.csv", tiny_csv([(0, 1, " A "), (1, 1, "Alpha"), (2, 1, "B"), (3, 1, "  "), (4, 1, "c")]))
    site.ingest()
    assert site.dataset.read()["kind"].to_list() == ["a", "a", "b", None]
    assert _broken(site) == [(5, ["kind.values"])]


def test_condition_across_columns(tmp_path: Path, weather: Model) -> None:
    site = _site(tmp_path, weather, rules={"calm": "x < 5 or kind == 'b'"})
    site.land("a.csv", tiny_csv([*GOOD, (6, 7, "a"), (7, 7, "b"), (8, 7, "")]))
    assert site.ingest().published_rows == 8  # an empty cell says neither yes nor no
    assert _broken(site) == [(7, ["calm.that"])]


def test_unique_columns_beside_the_key(tmp_path: Path, weather: Model) -> None:
    site = _site(tmp_path, weather, unique=[["kind"]], columns=_columns())
    site.land("a.csv", tiny_csv([(0, 1, "a"), (1, 1, "b"), (2, 1, "b"), (3, 1, "")]))
    site.ingest()
    site.land("b.csv", tiny_csv([(4, 1, "a"), (5, 1, "c"), (0, 1, "a")]))
    assert site.ingest().published_rows == 1
    assert _broken(site) == [(1, ["kind.unique"]), (2, ["kind.unique"]), (3, ["kind.unique"])]


def test_earliest_future_and_tolerance(tmp_path: Path, weather: Model) -> None:
    tolerant = {"future_tolerance": "2h", "earliest": "2021-01-01"}
    site = _site(tmp_path, weather, **tolerant)
    now_hour = int((NOW - START) / timedelta(hours=1))
    site.land("a.csv", tiny_csv([*GOOD, (-1, 1, "a"), (now_hour + 2, 1, "a"), (now_hour + 3, 1, "a")]))
    site.ingest()
    assert _broken(site) == [(7, ["Time.past"]), (9, ["Time.future"])]


@pytest.mark.parametrize(("action", "bad"), [("quarantine", [(1, ["Time.late"])]), ("warn", [])])
def test_late_rows(tmp_path: Path, weather: Model, action: str, bad: object) -> None:
    site = _site(tmp_path, weather, late_after="1d", actions={"Time.late": action})
    site.land("a.csv", tiny_csv([(100, 1, "a")]))
    site.ingest()
    site.land("b.csv", tiny_csv([(75, 1, "a"), (76, 1, "a"), (101, 1, "a")]))
    site.ingest()
    assert _broken(site) == bad
    if action == "warn":
        record = next(one for one in site.journal.batches("weather") if one.uri.endswith("b.csv"))
        assert record.warnings == ("Time.late: rows kept although they break it: 1",)
        assert record.broken_rules == {}


def test_order_of_time_within_a_file(tmp_path: Path, weather: Model) -> None:
    site = _site(tmp_path, weather, order="increasing")
    site.land("a.csv", tiny_csv([(0, 1, "a"), (5, 1, "a"), (3, 1, "a"), (6, 1, "a")]))
    site.ingest()
    assert _broken(site) == [(3, ["Time.order"])]


def test_rule_that_rejects_lets_nothing_through(tmp_path: Path, weather: Model) -> None:
    site = _site(tmp_path, weather, actions={"x.range": "reject"})
    site.land("a.csv", tiny_csv([*GOOD, (6, 11, "a")]))
    (rejected,) = site.ingest().rejected
    assert rejected.reasons == ("a.csv: x.range: 1 rows; expected between 0 and 10. Repair them.",)
    assert not site.dataset.exists()


def test_rule_that_warns_keeps_the_row(tmp_path: Path, weather: Model) -> None:
    site = _site(tmp_path, weather, actions={"*.range": "warn"})
    site.land("a.csv", tiny_csv([*GOOD, (6, 11, "a")]))
    assert site.ingest().published_rows == 7
    assert site.journal.batches("weather")[0].warnings == ("x.range: rows kept although they break it: 1",)


SKEW = {
    "min_rows": 20,
    "history": "365d",
    "null_share": 0.3,
    "shift": 3.0,
    "stuck": 0.95,
    "rhythm": "90m",
    "change_point": 6.0,
    "categories": 0.5,
    "volume": 5.0,
    "gaps": 0.5,
}


def test_batch_rule_that_quarantines_keeps_every_row_of_the_batch(tmp_path: Path, weather: Model) -> None:
    site = _site(tmp_path, weather, skew=SKEW, actions={"kind.null_share": "quarantine"})
    site.land("a.csv", tiny_csv([(hour, hour % 7, "a") for hour in range(60)]))
    site.ingest()
    site.land("b.csv", tiny_csv([(hour, hour % 7, "") for hour in range(60, 90)]))
    summary = site.ingest()
    assert (summary.published_rows, summary.quarantined_rows, summary.rejected) == (0, 30, ())
    assert {tuple(rules) for _, rules in _broken(site)} == {("kind.null_share",)}
    site.land("again.csv", (site.landing / "b.csv").read_bytes())
    assert site.ingest().duplicates == 1


def test_first_batch_without_any_good_row_can_be_allowed(tmp_path: Path, weather: Model) -> None:
    site = _site(tmp_path, weather, max_bad_share=1.0)
    site.land("a.csv", tiny_csv([(0, 11, "a"), (1, 12, "a")]))
    summary = site.ingest()
    assert (summary.published_rows, summary.quarantined_rows, summary.dataset_rows) == (0, 2, 0)
    site.land("b.csv", tiny_csv(GOOD))
    assert site.ingest().published_rows == 6, "what waits in quarantine holds no key"


def test_conflicting_keys_in_different_chunks_are_found(
    tmp_path: Path, weather: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("almanac.data.formats.csv_file._BLOCK", 2_000)
    monkeypatch.setattr("almanac.data.ingest.duplicates._HASHES_AT_ONCE", 50)
    monkeypatch.setattr("almanac.data.ingest.duplicates._ROWS_AT_ONCE", 2)
    monkeypatch.setattr("almanac.data.ingest.staging._SAMPLE", 100)
    site = _site(tmp_path, weather)
    rows = [(hour, 1.5, "a") for hour in range(400)]
    site.land("a.csv", tiny_csv([*rows, (7, 1.5, "a"), (9, 2.5, "a"), (400, 99, "a"), (11, 3.5, "b"), (8, 1.5, "a")]))
    summary = site.ingest()
    assert (summary.published_rows, summary.dropped_rows, summary.quarantined_rows) == (398, 2, 5)
    assert [row for row, _ in _broken(site)] == [10, 12, 402, 403, 404]
    site.land("b.csv", tiny_csv([(hour, 1.5 if hour % 100 else 2.5, "a") for hour in range(300, 500)]))
    summary = site.ingest()
    assert (summary.published_rows, summary.dropped_rows, summary.quarantined_rows) == (100, 99, 1)
    assert site.dataset.read()["Time"].n_unique() == site.dataset.count() == 498


def test_volume_and_staleness_are_reported(tmp_path: Path, weather: Model) -> None:
    site = _site(tmp_path, weather, skew={**SKEW, "max_age": "1d"})
    for n in range(6):
        site.land(f"{n}.csv", tiny_csv([(10 * n + hour, hour, "a") for hour in range(10)]))
    site.ingest()
    site.land("7.csv", tiny_csv([(60, 1, "a")]))
    site.ingest()
    record = next(one for one in site.journal.batches("weather") if one.uri.endswith("7.csv"))
    assert "batch.volume: 1 rows, while the last batches had 10" in record.warnings
    assert any(text.startswith("Time.stale: the newest row is of 2021-01-03 12:00 UTC") for text in record.warnings)


def test_correction_replaces_and_older_versions_still_show_what_was(tmp_path: Path, weather: Model) -> None:
    site = _site(tmp_path, weather, corrections="replace")
    site.land("a.csv", tiny_csv(GOOD))
    before = site.ingest().dataset_version
    site.land("b.csv", tiny_csv([(3, 9.5, "b"), (5, 1.5, "a"), (9, 1.5, "a"), (4, 99, "a")]))
    summary = site.ingest()
    assert (summary.published_rows, summary.dropped_rows, summary.quarantined_rows) == (2, 1, 1)
    rows = site.dataset.read()
    assert rows["x"].to_list() == [1.5, 1.5, 1.5, 9.5, 1.5, 1.5, 1.5]
    assert site.dataset.read(version=before)["x"].to_list() == [1.5] * 6
    site.land("a again.csv", tiny_csv(GOOD))
    assert site.ingest().duplicates == 1, "the bytes of the first version are known"


def test_two_corrections_of_one_row_in_one_file_replace_nothing(tmp_path: Path, weather: Model) -> None:
    site = _site(tmp_path, weather, corrections="replace")
    site.land("a.csv", tiny_csv(GOOD))
    site.ingest()
    site.land("b.csv", tiny_csv([(3, 9.5, "b"), (3, 8.5, "b"), (7, 1, "a"), (8, 1, "a")]))
    site.ingest()
    assert site.dataset.read()["x"].to_list()[3] == 1.5
    assert [row for row, _ in _broken(site)] == [1, 2]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"actions": {"x.rnage": "warn"}}, "no such rule"),
        ({"actions": {"range": "warn"}}, "no such rule"),
        ({"unique": [["y"]]}, "must name declared columns"),
        ({"rules": {"r": "y > 1"}}, "no column 'y'"),
        ({"earliest": "2021-01-01 00:00:00"}, "timezone"),
        ({"columns": {"x": {"type": "float", "regex": "a"}}}, "type string"),
        ({"columns": {"x": {"type": "string", "regex": "("}}}, "not a regular expression"),
    ],
)
def test_rules_that_cannot_be_run_are_refused_when_they_are_declared(changes: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        tiny_dataset(**changes)


def test_earliest_can_be_a_day() -> None:
    assert tiny_dataset(earliest="2021-01-01").earliest == datetime(2021, 1, 1, tzinfo=UTC)
