"""Files as people have them: drafted without a script, and what was drafted takes the file, row for row."""

from pathlib import Path

import pytest

from almanac.config.files.loader import find_model
from almanac.draft.trial import in_words, try_file
from tests.data.installation import NOW
from tests.draft.drafting import draft
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
    assert not {name for feature in model.features for name in feature.columns} & set(file.not_features), text
    trial = try_file(model, path, now=NOW)
    assert trial.problems == (), (text, in_words(trial))
    assert (trial.published, trial.quarantined) == (file.rows, 0), (text, trial)
    assert trial.labelled > 0.5 * file.rows
    assert trial.judged > 0
    assert trial.best
