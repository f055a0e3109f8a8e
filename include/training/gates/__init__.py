"""The gates. Pure functions of what is known of a candidate; each fails closed: what cannot be measured is refused."""

from include.training.gates.evaluation import Evaluation, GateResult, Reference, Served
from include.training.gates.verdict import GATES, asked, judge, passed

__all__ = ["GATES", "Evaluation", "GateResult", "Reference", "Served", "asked", "judge", "passed"]
