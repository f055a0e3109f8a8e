"""The page *Search indexes* says what the last looks have found, and since when nothing is known."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import yaml

from almanac.ai_search.observation import ObservedCounter, ObservedIndex, ObservedIndexer, ObservedService, save
from almanac.config.home import Home
from almanac.journal.journal import Journal
from almanac.journal.records import RunRef
from almanac.pages.pages import Pages
from almanac.reporting.urls import Urls

NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)


def pages(root: Path, *services: str) -> Pages:
    (root / "models").mkdir()
    declared = {"services": {name: {"connection": "c"} for name in services}}
    (root / "models" / "_installation.yaml").write_text(yaml.safe_dump({"search_indexes": declared}))
    home = Home(home=root, models=root / "models")
    return Pages(home, Journal(home.journal_url), Urls("/almanac", ""), NOW)


def test_search_indexes_without_a_service_says_how_to_declare_one(tmp_path: Path) -> None:
    page = pages(tmp_path).search_indexes()
    assert "No search service is declared" in page
    assert '<a href="/almanac/search-indexes" aria-current=page>Search indexes</a>' in page


def test_search_indexes_shows_what_is_known_of_each_service_and_since_when(tmp_path: Path) -> None:
    made = pages(tmp_path, "harbour", "island", "mole")
    indexer = ObservedIndexer("", "success", NOW, NOW, 70, 3, 61.0, 7200.0, (50.0, 61.0), 5, 8, 300.0, due=True)
    indexes = {
        "ships": ObservedIndex(
            "", 1234, 1240, 3 << 20, 1 << 10, {"hourly": indexer, "broken": ObservedIndexer("<no>")}
        ),
        "gone": ObservedIndex("the service has no index 'gone'"),
    }
    harbour = ObservedService(
        "harbour", NOW, NOW, "", {"storageSize": ObservedCounter(1 << 30, 2 << 30), "aliasesCount": ObservedCounter(2)},
        indexes, ("spare",), {"storageSize": {"2026-11-01": 1, "2026-11-02": 2}}, {}, ("index ships: 6 are missing",),
    )  # fmt: skip
    save(made.journal, harbour, RunRef("watch_search", "r"))
    away = ObservedService("island", NOW, NOW - timedelta(hours=3), "http://x answered 503")
    save(made.journal, away, RunRef("watch_search", "r"))

    page = made.search_indexes()
    for expected in (
        *("1,234 documents, 1,240 rows", "3.0 MiB of storage", "1.0 GiB", "2.0 GiB", "50%", "&lt;no&gt;", "spare"),
        *("5 of 8, 5 min", "no index", "index ships: 6 are missing", '<svg class="spark"'),
        *(
            "It did not answer at 2026-11-02 12:00 UTC: http://x answered 503",
            "What follows is of 2026-11-02 09:00 UTC.",
        ),
        "Declared, and not looked at yet.",
    ):
        assert expected in page
    found = json.loads(json.dumps(page.to_json()))
    assert [one["name"] for one in found["services"]] == ["harbour", "island", "mole"]
    assert found["services"][0]["indexes"]["ships"]["indexers"]["hourly"]["failed"] == 3
    assert found["services"][0]["counters"]["aliasesCount"] == {"usage": 2, "quota": None}
    assert found["unseen"] == ["mole"]
