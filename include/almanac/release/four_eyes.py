"""Four eyes: who took part in making a version, and so may not approve it."""

from almanac.config.files.loader import card_of
from almanac.config.home import Home
from almanac.journal.journal import Journal
from almanac.journal.questions import NOBODY
from almanac.journal.records import DecisionKind, RunRef
from almanac.registry.records import ModelVersion, Tag
from almanac.training.code_version import authors_of

_SYSTEM = frozenset({"", NOBODY, "airflow"})  # `started_by` of runs that no person started


def barred(version: ModelVersion, home: Home, journal: Journal, run: RunRef) -> dict[str, str]:
    """Names in lower case, and what each of these people did.

    These are: who started this run, who started the training (by the journal and by the version's tag), and the git
    author of the last commit of the model's YAML, now and at training: by name, by address, and by its part before
    the @. The author of a change that is not committed is unknown.

    Raises:
        TransientError: the journal is not available.
    """
    trained = RunRef(version.tags.get(Tag.DAG_ID, ""), version.tags.get(Tag.RUN_ID, ""))
    trainers = {one.run.started_by for one in journal.decisions(version.model, DecisionKind.TRAINING, run=trained)}
    files = {home.models / f"{version.model}.yaml", card_of(home.models, version.model).with_suffix(".yaml")}
    authors = {author for file in files for author in authors_of(file, version.tags.get(Tag.GIT_COMMIT, "HEAD"))}
    found = {name: "declared the model" for author in authors for name in _names(author)}
    found |= dict.fromkeys({version.tags.get(Tag.STARTED_BY, ""), *trainers}, "trained the version")
    found[run.started_by] = "started this run"
    return {name.casefold(): why for name, why in found.items() if name not in _SYSTEM}


def _names(author: str) -> tuple[str, ...]:
    """The names in git's `Grace Hopper <grace@example.org>`."""
    name, _, rest = author.partition("<")
    address = rest.rstrip("> ")
    return (name.strip(), address, address.partition("@")[0])
