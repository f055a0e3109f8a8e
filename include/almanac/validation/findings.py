"""What a check of a whole batch found."""

from dataclasses import dataclass

from almanac.config.sections.dataset import Action


@dataclass(frozen=True)
class BatchFinding:
    """One rule that a batch as a whole breaks, e.g. `Temperature_C.unit`, and what was seen."""

    rule: str
    action: Action
    text: str
