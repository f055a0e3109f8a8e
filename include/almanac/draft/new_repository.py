"""Makes a repository of a team's own: its declarations, a test of them, and what its Airflow and its CI need."""

import shutil
from pathlib import Path

from almanac.config.files.json_schema import write_schema
from almanac.config.files.profile import DEFAULTS, PROFILE
from almanac.config.repository import STARTER
from almanac.errors import ConfigError

MODELS = "models"

_README = """\
# Models

One YAML file per model in `models/`; the DAGs follow from it. `models/_defaults.yaml` is what all models have in
common, `models/_schema.json` lets an editor complete keys and mark what is wrong.

```sh
python -m venv .venv && .venv/bin/pip install -r requirements.txt
export ALMANAC_HOME=$PWD/var ALMANAC_MODELS=$PWD/models
almanac draft NAME FILE.csv --label COLUMN --horizon 1d  # proposes models/NAME.yaml, and tries it on the file
almanac check NAME FILE.csv                              # tries it on another file; writes nothing
almanac run NAME examples/NAME.csv --against base/models --report report.md  # its figures beside the base branch's
pytest                                                   # what CI runs: each is read, and tried on its example
```

| folder | what |
|---|---|
| `models/` | the declarations |
| `environments/production/` | what differs there: `ALMANAC_MODELS=environments/production` |
| `examples/` | for each model a small made-up file, `NAME.csv` or another format: the tests try the declaration on it |
| `dags/` | two lines that show Airflow the DAGs; not needed where the DAG bundle is configured |
| `.github/workflows/models.yaml` | runs the tests for each pull request |
| `.github/workflows/run.yaml` | answers a comment `/run NAME` with figures, here and on the base branch |

No data and no secrets belong here: credentials are connections of Airflow, or come from the environment.
"""
_TEST = '''\
"""Every declaration can be read, in every environment, and fits its example file."""

from pathlib import Path

import pytest
from almanac.config.files.loader import check_models
from typer.testing import CliRunner

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = [ROOT / "models", *sorted(path.parent for path in ROOT.glob("environments/*/_profile.yaml"))]
EXAMPLES = sorted(path for path in (ROOT / "examples").glob("*.*") if not path.name.startswith("."))


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_declarations_can_be_read(folder: Path) -> None:
    check_models(folder)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_declaration_fits_its_example(example: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from almanac.cli.app import app

    monkeypatch.setenv("ALMANAC_HOME", str(tmp_path))
    monkeypatch.setenv("ALMANAC_MODELS", str(ROOT / "models"))
    found = CliRunner().invoke(app, ["check", example.stem, str(example)])
    assert found.exit_code == 0, found.output
'''
_WORKFLOW = """\
name: models
on: [pull_request]
permissions: {contents: read}
jobs:
  check:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-python@v5
        with: {python-version: "3.12", cache: pip}
      - run: pip install -r requirements.txt
      - run: pytest
"""
_RUN_WORKFLOW = """\
# A member writes "/run NAME" below a pull request: the model is trained on its example, here and on the base branch.
# The job that runs the request's code may write nothing; the job that answers runs none of it.
name: run
on:
  issue_comment: {types: [created]}
permissions: {}
jobs:
  run:
    if: >-
      github.event.issue.pull_request && startsWith(github.event.comment.body, '/run ') &&
      contains(fromJSON('["OWNER", "MEMBER", "COLLABORATOR"]'), github.event.comment.author_association)
    runs-on: ubuntu-latest
    permissions: {contents: read}
    env: {COMMENT: "${{ github.event.comment.body }}", ALMANAC_HOME: "${{ github.workspace }}/var"}
    steps:
      - uses: actions/checkout@v4
        with: {ref: "refs/pull/${{ github.event.issue.number }}/head", persist-credentials: false}
      - uses: actions/checkout@v4
        with: {path: base, persist-credentials: false}
      - uses: actions/setup-python@v5
        with: {python-version: "3.12", cache: pip}
      - run: pip install -r requirements.txt
      - run: |
          name=$(printf '%s\\n' "$COMMENT" | sed -nE '1s/^\\/run ([a-z][a-z0-9_]*)[[:space:]]*$/\\1/p')
          test -n "$name"
          ALMANAC_MODELS=models almanac run "$name" examples/"$name".* --against base/models --report report.md
      - uses: actions/upload-artifact@v4
        if: always()
        with: {name: report, path: report.md}
  answer:
    needs: run
    if: always() && needs.run.result != 'skipped'
    runs-on: ubuntu-latest
    permissions: {pull-requests: write}
    steps:
      - uses: actions/download-artifact@v4
        with: {name: report}
      - run: |
          head -c 60000 report.md > answer.md
          printf '\\n---\\n`/run` by @%s, [log](%s)\\n' "$AUTHOR" "$LOG" >> answer.md
          gh pr comment "$NUMBER" --body-file answer.md
        env:
          GH_TOKEN: ${{ github.token }}
          GH_REPO: ${{ github.repository }}
          NUMBER: ${{ github.event.issue.number }}
          AUTHOR: ${{ github.event.comment.user.login }}
          LOG: ${{ github.server_url }}/${{ github.repository }}/actions/runs/${{ github.run_id }}
"""
_FILES = {
    "README.md": _README,
    "requirements.txt": (
        "# Almanac is installed from a wheel or an index of your own: on PyPI the name belongs to another project.\n"
        "almanac\npytest\n"
    ),
    ".gitignore": ".venv/\nvar/\n__pycache__/\n",
    "dags/almanac.py": (
        '"""Shows Airflow the DAGs of the declared models."""\n\n'
        "from almanac_airflow.bundle import load_dags\n\nglobals().update(load_dags())\n"
    ),
    "tests/test_models.py": _TEST,
    "examples/.gitkeep": "",
    f"environments/production/{PROFILE}": f"over: ../../{MODELS}\n",
    f"environments/production/{DEFAULTS}": "promotion: approve  # a person looks before anything is replaced\n",
    ".github/workflows/models.yaml": _WORKFLOW,
    ".github/workflows/run.yaml": _RUN_WORKFLOW,
}


def create_repository(folder: Path) -> list[str]:
    """Write the files of a new repository.

    Args:
        folder: is made; may be there if it is empty, or a repository of git without a file.

    Returns:
        The files, by their paths in the folder.

    Raises:
        ConfigError: something is in the folder, or it is a file: nothing is written.
    """
    if folder.exists() and (not folder.is_dir() or any(path.name != ".git" for path in folder.iterdir())):
        raise ConfigError(f"{folder}: is not empty; expected a new folder, because nothing is overwritten")
    for name, text in _FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    models = folder / MODELS
    models.mkdir()
    shutil.copyfile(STARTER / DEFAULTS, models / DEFAULTS)
    write_schema(models)
    return sorted(
        str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file() and ".git" not in path.parts
    )
