"""An index through its whole life, watched over HTTP: empty, filled, growing, failing, full, away, gone."""

from datetime import timedelta

import pytest

from tests.ai_search.world import MODEL, World
from tests.servers.search import FakeSearch, run, throttled

DAY, HOUR = timedelta(days=1), timedelta(hours=1)


def test_watch_whole_life_of_an_index(world: World) -> None:
    service = world.service
    # Created, and nothing published yet: nothing is wrong, and nothing is started.
    assert world.look() == []
    assert service.started == []

    # The first rows: one indexer starts at once; the other not beside it, and not before the evening in Helsinki.
    world.publish(100)
    assert world.look() == []
    assert service.started == ["hourly"]
    assert world.look() == []
    service.finish("hourly", processed=60)
    service.index("ships", 60, id="Edm.String", depth="Edm.Double")
    world.look()
    assert service.started == ["hourly"]
    assert world.look(5 * HOUR) == []  # 40 documents less than rows for hours: the other one still waits for its hour
    assert service.started == ["hourly"]
    assert world.look(HOUR) == []  # 18:50 UTC is 20:50 in Helsinki
    assert service.started == ["hourly", "archive"]
    service.finish("archive", processed=40)
    service.index("ships", 100, id="Edm.String", depth="Edm.Double")
    assert world.look() == []
    assert world.look() == []
    assert service.started == ["hourly", "archive"]  # nothing new: nothing is started again

    # Documents get lost: named once the patience is over, and over when they are back.
    service.index("ships", 97, id="Edm.String", depth="Edm.Double")
    assert world.look() == ["index ships: documents are missing (3)"]
    assert world.words("index ships: documents are missing (3)").startswith(
        "It has 97 documents; expected 100, the rows"
    )
    service.index("ships", 100, id="Edm.String", depth="Edm.Double")
    assert world.look() == []

    # Somebody makes the index again with other fields.
    service.index("ships", 100, id="Edm.String", depth="Edm.String", flag="Edm.Boolean")
    assert world.look() == ["index ships: its fields are not those that are declared"]
    words = world.words("index ships: its fields are not those that are declared")
    assert words == "'depth' is 'Edm.String', expected 'Edm.Double'; not declared: 'flag'"
    service.index("ships", 100, id="Edm.String")
    world.look()
    assert "missing: 'depth'" in world.words("index ships: its fields are not those that are declared")
    service.index("ships", 100, id="Edm.String", depth="Edm.Double")

    # A run fails as a whole; a later one leaves two documents out.
    service.indexers["hourly"].insert(0, run(world.now, status="persistentFailure", message="login \x1b[31mfailed"))
    assert world.look() == ["indexer hourly failed"]
    assert "login \\x1b[31mfailed" in world.words("indexer hourly failed")
    service.indexers["hourly"].insert(0, run(world.now, failed=2))
    assert world.look() == ["indexer hourly: documents were not indexed (2)"]
    assert "k0: Field 'depth' is no number" in world.words("indexer hourly: documents were not indexed (2)")
    service.indexers["hourly"].insert(0, run(world.now))
    assert world.look() == []

    # It grows by a gigabyte a day to its quota; one odd day does not hide that.
    service.quotas["storageSize"] = 30 * 2**30
    for day in range(12):
        size = 29 * 2**30 if day == 4 else (day + 1) * 2**30
        service.index("ships", 100, storage=size, id="Edm.String", depth="Edm.Double")
        found = world.look(DAY)
        if day == 11:
            assert found == []  # 18 days are left
    service.index("ships", 100, storage=20 * 2**30, id="Edm.String", depth="Edm.Double")
    (subject,) = world.look(DAY)
    assert subject == "search service harbour: quota of bytes of storage reached in 10.0 days"
    service.index("ships", 100, storage=30 * 2**30, id="Edm.String", depth="Edm.Double")
    (subject,) = world.look(DAY)
    assert world.open()[0].message.severity == "critical"
    assert "What would exceed it is refused." in world.open()[0].message.error
    service.quotas["storageSize"] = 300 * 2**30  # a larger tier
    assert world.look(DAY) == []

    # Gone: named, with what is there instead.
    service.index("ships2", 0)
    del service.indexes["ships"]
    assert world.look() == ["search service harbour: index ships cannot be looked at"]
    assert "did you mean 'ships2'?" in world.open()[0].message.error
    assert world.seen().others == ("ships2",)


def test_watch_service_that_is_away_keeps_its_alerts_and_the_others_are_looked_at(world: World) -> None:
    service = world.service
    world.publish(5)
    service.index("ships", 5, id="Edm.Int32")
    for name in service.indexers:
        service.indexers[name] = [run(world.now + HOUR, status="persistentFailure", message="no login")]
    with FakeSearch() as second:
        world.others = {"island": {"connection": "second", "indexes": {"cranes": {}}}}
        world.addresses = {"second": second.url}
        second.index("cranes", 1)
        fields = "index ships: its fields are not those that are declared"
        before = ["indexer archive failed", "indexer hourly failed"]
        assert world.look(2 * HOUR) == [fields, *before]
        service.throttled = [throttled(503, "100")] * 100  # longer than `timeout` allows
        del second.indexes["cranes"]
        both = ["search service harbour cannot be watched", "search service island: index cranes cannot be looked at"]
        assert world.look() == [fields, *before, *both]
        assert "answered 503" in world.words(both[0])
        assert "It last answered at 2026-11-02 14:00 UTC" in world.words(both[0])
        assert world.seen().problem
        assert world.seen().indexes["ships"].documents == 5  # what was known, and since when
        service.throttled = []
        assert world.look() == [fields, *before, both[1]]


def test_watch_part_that_cannot_be_read_keeps_what_was_reported_of_it(world: World) -> None:
    world.service.index("ships", 0, id="Edm.Int32")
    world.service.indexers["hourly"] = [run(world.now, status="persistentFailure", message="no login")]
    wrong = ["index ships: its fields are not those that are declared", "indexer hourly failed"]
    assert world.look() == wrong
    world.service.answer = lambda asked: None if "search.st" not in asked.path else throttled(400)
    unknown = [f"search service harbour: {part} cannot be looked at" for part in _PARTS]
    assert world.look() == [*wrong, *unknown]
    world.service.answer = None
    assert world.look() == wrong


def test_watch_dataset_that_is_shared_is_to_be_named_by_its_owner(world: World) -> None:
    world.model = MODEL.model_copy(update={"dataset": MODEL.dataset.model_copy(update={"of": "port"})})
    (subject,) = world.look()
    assert subject == "search service harbour: dataset of ships cannot be looked at"
    assert "it shares that of port; name 'port'" in world.words(subject)


_PARTS = ("index ships", "indexer archive", "indexer hourly")


@pytest.mark.parametrize("status", [429, 503])
def test_watch_throttled_service_is_asked_again_as_late_as_it_wishes(world: World, status: int) -> None:
    world.service.throttled = [throttled(status, "7"), throttled(status, "3")]

    assert world.look() == []
    assert world.waited == [7.0, 3.0]


def test_watch_names_on_several_pages_are_all_read(world: World) -> None:
    for number in range(25):
        world.service.index(f"other-{number:02}", 0)
    world.service.page_size = 10

    assert world.look() == []
    assert len(world.seen().others) == 25
    assert [one.path for one in world.service.asked].count("/indexes") == 3


def test_watch_start_that_the_service_refuses_is_named_and_tried_again(world: World) -> None:
    world.publish(1)
    world.service.answer = lambda asked: None if asked.method == "GET" else throttled(503, "1000")
    assert "indexer hourly could not be started" in world.look()
    world.service.answer = None
    assert world.look() == []
    assert world.service.started == ["hourly"]


def test_watch_indexer_that_somebody_else_started_meanwhile_is_no_fault(world: World) -> None:
    world.publish(1)
    seen: list[str] = []

    def begun_between(asked: object) -> None:
        if getattr(asked, "method", "") == "POST":
            seen.append("asked")
            world.service.indexers["hourly"].insert(0, run(world.now, status="inProgress"))

    world.service.answer = begun_between  # type: ignore[assignment] # it goes on
    assert world.look() == []
    assert seen == ["asked"]
    assert world.service.started == []
