"""All gates, in their order."""

from almanac.config.schema import Model
from almanac.release.gates.absolute import absolute
from almanac.release.gates.baselines import baselines, segments
from almanac.release.gates.behaviour import behaviour
from almanac.release.gates.budget import budget
from almanac.release.gates.champion import best_of_year, champion, variation
from almanac.release.gates.contract import contract
from almanac.release.gates.evaluation import Evaluation, Gate, GateResult, closed
from almanac.release.gates.fit import calibration, gap
from almanac.release.gates.leak import leak
from almanac.release.gates.parity import parity

GATES: dict[str, Gate] = {
    "leak": leak,
    "absolute": absolute,
    "baselines": baselines,
    "champion": champion,
    "best_of_year": best_of_year,
    "segments": segments,
    "calibration": calibration,
    "gap": gap,
    "contract": contract,
    "behaviour": behaviour,
    "budget": budget,
    "variation": variation,
    "parity": parity,
}


def judge(model: Model, evaluation: Evaluation) -> tuple[GateResult, ...]:
    """Apply all gates in their order. The candidate passes when there are results and all of them passed."""
    return tuple(result for name, gate in GATES.items() for result in closed(name, gate, model, evaluation))


def passed(results: tuple[GateResult, ...]) -> bool:
    """Whether the candidate may become challenger."""
    return bool(results) and all(result.passed for result in results)


def asked(results: tuple[GateResult, ...]) -> tuple[str, ...]:
    """Why a person must approve a candidate that passed; empty: nobody needs to."""
    return tuple(f"{result.name}: {result.reason}" for result in results if result.ask)
