"""Files as people have them: drafted without a script, and what was drafted takes the file, row for row."""

from pathlib import Path

import pytest

from almanac.config.files.loader import find_model
from almanac.draft.draft import draft
from almanac.features.features import build_features
from almanac.features.labels import labels
from tests.data.installation import NOW, Site
from tests.draft.lookalikes import LOOK_ALIKES, LookAlike


@pytest.mark.parametrize("file", LOOK_ALIKES, ids=lambda file: file.name)
def test_drafted_model_takes_its_file_whole(folder: Path, tmp_path: Path, file: LookAlike) -> None:
    path = tmp_path / file.name
    path.write_bytes(file.content())
    text = draft("tried", path, file.wish)
    (folder / "tried.yaml").write_text(text, "utf-8")
    model = find_model(folder, "tried")
    time = model.dataset.columns[model.dataset.time]
    assert (model.dataset.time, time.format, model.dataset.key) == (*file.time, file.key), text
    assert {name: model.dataset.columns[name].type for name in file.roles} == file.roles, text
    site = Site(tmp_path / "home", model)
    site.land(file.name, path.read_bytes())
    summary = site.ingest()
    assert (summary.published_rows, summary.quarantined_rows, summary.rejected) == (file.rows, 0, ()), text
    rows = site.dataset.read()
    assert len(build_features(model, rows).values) == file.rows
    assert labels(model, rows, now=NOW).count() > 0.5 * file.rows
