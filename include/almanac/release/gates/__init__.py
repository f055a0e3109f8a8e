"""The gates: pure functions of a candidate's evaluation. They fail closed: what cannot be measured is refused."""

from almanac.release.gates.evaluation import Evaluation, GateResult, Reference, Served
from almanac.release.gates.verdict import GATES, asked, judge, passed

__all__ = ["GATES", "Evaluation", "GateResult", "Reference", "Served", "asked", "judge", "passed"]
