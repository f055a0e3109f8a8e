"""A sensor reports each settled file once, whichever run asks and whatever dies meanwhile."""

import os
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from almanac.config.schema import Model
from almanac.data.ingest.new_files import Enough, NewFiles, claim_new_files, landing_digest, listed
from almanac.errors import ConfigError, TransientError
from almanac.journal.exclusive import exclusive
from almanac.journal.records import RunRef
from tests.data.installation import Site, tiny_csv, tiny_dataset

FIRST, SECOND = RunRef("their_dag", "r1"), RunRef("their_dag", "r2")
ONE = Enough()


@pytest.fixture
def site(tmp_path: Path, weather: Model) -> Site:
    source = weather.source.model_copy(update={"settle": timedelta(seconds=1)})
    return Site(tmp_path, weather.model_copy(update={"dataset": tiny_dataset(), "source": source}))


def land(site: Site, name: str, *, age: timedelta = timedelta(hours=1), rows: int = 1) -> None:
    path = site.land(name, tiny_csv([(hour, 1, "a") for hour in range(rows)]))
    written = (datetime.now(UTC) - age).timestamp()
    os.utime(path, (written, written))


def look(
    site: Site,
    run: RunRef,
    enough: Enough = ONE,
    sensor: str = "their_dag.wait",
    wait: Callable[[float], None] = lambda _: None,
) -> NewFiles:
    now = datetime.now(UTC)
    return claim_new_files(
        site.model, site.home, site.journal, sensor=sensor, run=run, now=now, enough=enough, wait=wait
    )


def names(found: NewFiles) -> list[str]:
    return [file.name for file in found.files]


def test_claim_reports_each_file_to_one_run_only(site: Site) -> None:
    land(site, "a.csv")
    assert names(look(site, FIRST)) == ["a.csv"]
    assert names(look(site, SECOND)) == []
    land(site, "b.csv")
    assert names(look(site, SECOND)) == ["b.csv"]


def test_claim_again_by_the_same_run_reports_the_same(site: Site) -> None:
    land(site, "a.csv")
    look(site, FIRST)
    land(site, "b.csv")
    assert names(look(site, replace(FIRST, try_number=2))) == ["a.csv"]  # a retry after a death
    assert names(look(site, SECOND)) == ["b.csv"]


def test_claim_of_a_file_that_was_written_again_reports_it_again(site: Site) -> None:
    land(site, "a.csv")
    look(site, FIRST)
    land(site, "a.csv", rows=2)
    assert names(look(site, SECOND)) == ["a.csv"]


def test_claim_leaves_what_an_ingest_has_recorded(site: Site) -> None:
    land(site, "a.csv")
    site.ingest()
    assert names(look(site, FIRST)) == []


def test_claim_leaves_what_is_still_arriving(site: Site) -> None:
    land(site, "done.csv")
    land(site, "grows.csv", age=timedelta())

    def grow(_: float) -> None:
        with (site.landing / "grows.csv").open("a") as stream:
            stream.write("x")

    found = look(site, FIRST, wait=grow)
    assert (names(found), found.unsettled) == (["done.csv"], 1)


def test_claim_by_another_sensor_reports_all_of_them_to_it(site: Site) -> None:
    land(site, "a.csv")
    look(site, FIRST)
    assert names(look(site, FIRST, sensor="their_dag.other")) == ["a.csv"]


def test_claim_waits_for_enough_files_or_for_one_that_is_old(site: Site) -> None:
    land(site, "a.csv", age=timedelta(minutes=10))
    few = look(site, FIRST, Enough(2, timedelta(minutes=30)))
    assert (few.files, [file.name for file in few.waiting]) == ((), ["a.csv"])
    assert few.wait is not None
    assert timedelta(minutes=19) < few.wait <= timedelta(minutes=20)
    assert names(look(site, SECOND, Enough(2, timedelta(minutes=5)))) == ["a.csv"]
    land(site, "b.csv")
    land(site, "c.csv")
    assert names(look(site, SECOND, Enough(2))) == ["a.csv"]  # its own
    assert names(look(site, FIRST, Enough(2))) == ["b.csv", "c.csv"]


def test_claim_forgets_what_is_gone(site: Site) -> None:
    land(site, "a.csv")
    look(site, FIRST)
    (site.landing / "a.csv").unlink()
    land(site, "b.csv")
    look(site, SECOND)
    (mark,) = site.journal.watermarks(site.model.name, "reported by ").values()
    assert "b.csv" in mark.value
    assert "a.csv" not in mark.value


def test_claim_while_another_process_claims_is_tried_again_later(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    from almanac.data.ingest import new_files

    land(site, "a.csv")
    monkeypatch.setattr(new_files, "_WAIT_S", 0.0)
    name = f"sensor_{new_files._hash('their_dag.wait')}"
    with exclusive(site.home.journal_url, name), pytest.raises(TransientError):
        look(site, FIRST)
    assert names(look(site, SECOND)) == ["a.csv"]


@pytest.mark.parametrize(("files", "age"), [(0, None), (1, timedelta())])
def test_enough_of_nothing_is_refused(files: int, age: timedelta | None) -> None:
    with pytest.raises(ConfigError, match="at least 1 file, or an age above 0"):
        Enough(files, age)


def test_digest_changes_with_each_file(site: Site) -> None:
    land(site, "a.csv")
    before = landing_digest(listed(site.home, site.model))
    assert landing_digest(listed(site.home, site.model)) == before
    land(site, "b.csv")
    assert landing_digest(listed(site.home, site.model)) != before
