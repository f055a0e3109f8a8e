"""What the tasks read out of a run."""

import pytest
from almanac.runs import chosen_files

FOUND = [{"uri": "s3://bucket/landing/weather/a_2024.csv"}, {"uri": "s3://bucket/landing/weather/sub/b_2024.csv"}]


@pytest.mark.parametrize(
    ("globs", "names"),
    [(None, ["a", "b"]), ([], ["a", "b"]), (["a_*.csv"], ["a"]), (["b_2024.csv", "x"], ["b"]), (["x"], [])],
)
def test_chosen_files_by_name_or_glob(globs: list[str] | None, names: list[str]) -> None:
    assert [file["uri"].rsplit("/", 1)[1][0] for file in chosen_files(FOUND, globs)] == names
