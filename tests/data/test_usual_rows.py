"""How many rows a file usually has is what files say that brought rows, not what was put right afterwards."""

from almanac.data.ingest.reference import usual_rows
from almanac.data.quarantine.readmission import Readmitter
from tests.data.installation import NOW, RUN, Site, tiny_csv


def _land(site: Site, number: int, *, bad: bool = False) -> str:
    rows: list[tuple[int, object, str]] = [(100 * number + hour, 1, "a") for hour in range(20)]
    rows += [(100 * number + 50, 99, "a")] if bad else []
    site.land(f"{number}.csv", tiny_csv(rows))
    site.ingest()
    return site.journal.batches("weather")[0].batch_id


def test_usual_rows_leaves_readmitted_rows_and_files_without_a_good_row_out(site: Site) -> None:
    readmitter = Readmitter(site.model, site.home, site.journal, RUN, "looked at", clock=lambda: NOW)
    for number in range(5):
        batch = _land(site, number, bad=True)
        readmitter.readmit(batch, edits={21: {"x": "1"}})
    whole = site.model.dataset.model_copy(update={"max_bad_share": 1.0})
    site.model = site.model.model_copy(update={"dataset": whole})
    for number in range(5):
        site.land(f"bad {number}.csv", tiny_csv([(1000 + number, 99, "a")]))
        site.ingest()

    assert site.dataset.snapshot().batch_sizes(20) == [20] * 5
    assert usual_rows(site.dataset.snapshot()) == 20
