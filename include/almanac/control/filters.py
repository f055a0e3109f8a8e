"""Which models of the start page a person wants to see, and in which order."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from almanac.control.model_summary import STATES, ModelSummary


@dataclass(frozen=True)
class Filters:
    """Only the models of an owner, with a tag, in a state; empty: any."""

    owner: str = ""
    tag: str = ""
    state: str = ""

    def take(self, one: ModelSummary) -> bool:
        """Whether a model is to be seen."""
        return (
            self.owner in ("", one.owner) and (not self.tag or self.tag in one.tags) and self.state in ("", one.state)
        )


NO_FILTERS = Filters()


def choices_of(summaries: Sequence[ModelSummary]) -> Mapping[str, Mapping[str, int]]:
    """What each filter can be, with how many models that are."""
    states = Counter(one.state for one in summaries)
    return {
        "state": {state: states[state] for state in STATES if states[state]},
        "owner": dict(sorted(Counter(one.owner for one in summaries).items())),
        "tag": dict(sorted(Counter(tag for one in summaries for tag in one.tags).items())),
    }


def worst_first(summaries: Iterable[ModelSummary]) -> list[ModelSummary]:
    """What needs somebody before what does not; otherwise by name."""
    return sorted(summaries, key=lambda one: (STATES.index(one.state), one.name))
