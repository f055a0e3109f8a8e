"""An entry of `estimators` in `_installation.yaml`: a class that a team allows beside those that Almanac lists."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from almanac.config.grammar.estimators import ALLOWED_ESTIMATORS, NOT_CONVERTIBLE, Family, check_estimator
from almanac.config.grammar.section import Section

TypePath = Annotated[str, Field(pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)+$", max_length=200)]


def _check_new(path: str) -> str:
    """Refuse what the list of Almanac says already, and what is known not to convert."""
    if path in ALLOWED_ESTIMATORS:
        raise ValueError(f"{path} is allowed without it; remove the entry")
    return check_estimator(path) if path in NOT_CONVERTIBLE else path


EstimatorPath = Annotated[TypePath, AfterValidator(_check_new)]


class AllowedEstimator(Section):
    """What must be known of a class before it is imported, which only a training does."""

    predicts: Literal["classes", "number"] = Field(description="Whether it is a classifier or a regressor.")
    family: Family | Literal[""] = Field(
        "", description="By which `gates.parity` has its limits; unset: the strict ones."
    )
    takes_unknown_values: bool = Field(False, description="Whether `impute: none` may stand beside it.")
    trusted_types: tuple[TypePath, ...] = Field(
        (), description="Types beside scikit-learn's own that its fitted pipeline holds, and that may be loaded again."
    )
