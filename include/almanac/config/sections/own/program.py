"""A candidate that a team's own program trains, and the limits within which the program runs."""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from pathlib import PurePosixPath
from typing import Annotated, ClassVar, Self

from pydantic import Field, field_validator, model_validator

from almanac.config.grammar.section import Section
from almanac.config.grammar.types import Duration, Slug
from almanac.config.sections.features import CategoryFeature, Feature
from almanac.config.sections.learning import Learning
from almanac.config.sections.search import Scalar, Search

Megabytes = Annotated[int, Field(ge=1)]


class ProgramLimits(Section):
    """What one call of the program may use; a call that uses more is ended, and its candidate does not compete."""

    time: Duration = Field(timedelta(hours=1), description="How long one call may take.")
    memory_mb: Megabytes = Field(4096, description="Memory of the program and all that it starts, together.")
    disk_mb: Megabytes = Field(4096, description="What it may write into its folder, together.")
    native_mb: Megabytes = Field(1024, description="The files of `native/`, which are kept with the version.")


class ProgramCandidate(Section):
    """A program of the team's own that trains a candidate and gives a graph; see docs/training-programs.md."""

    program: str = Field(
        description="The Python file that is run, in a folder of its own below the models' folder: churn/train.py."
    )
    environment: Slug | None = Field(
        None, description="`environments/<name>.lock` beside the models; unset: the packages of Almanac itself."
    )
    params: dict[str, Scalar] = Field(default_factory=dict, description="What the program is given as `params`.")
    search: Search | None = Field(None, description="Parameters to search; the best ones override `params`.")
    learning: Learning | None = Field(
        None, description="Rules on the losses that the program writes down while it runs; unset: nobody watches them."
    )
    limits: ProgramLimits = ProgramLimits()
    continues: bool = Field(
        False, description="Whether it can go on from what it left with the champion, where `train.mode` asks for that."
    )
    network: bool = Field(False, description="Whether it may open connections, for example to fetch weights.")
    sha256: str = Field("", description="Of the program's files; Almanac fills it in, a YAML file must not.")
    environment_sha256: str = Field("", description="Of the environment's lock; Almanac fills it in.")

    of: ClassVar[tuple[str, ...]] = ()
    early_stopping: ClassVar[None] = None

    @model_validator(mode="after")
    def _limits_read(self) -> Self:
        if self.learning is not None:
            self.learning.check_limits((*self.params, *(self.search.space if self.search else ())))
        return self

    @property
    def estimator(self) -> str:
        """What stands for the class of an estimator."""
        return f"program {self.program}"

    @field_validator("program")
    @classmethod
    def _lies_below_the_models(cls, declared: str) -> str:
        path = PurePosixPath(declared)
        if path.is_absolute() or ".." in path.parts or path.suffix != ".py" or len(path.parts) < 2:
            raise ValueError(
                f"got {declared!r}, expected a Python file in a folder of its own, named from the models' folder on:"
                " churn/train.py"
            )
        return declared


def check_programs(programs: Mapping[str, ProgramCandidate], features: Iterable[Feature]) -> None:
    """Refuse a program of a model with categories that are encoded: they are fitted by the pipelines of estimators.

    Raises:
        ValueError: there is one.
    """
    encoded = [feature.names[0] for feature in features if isinstance(feature, CategoryFeature)]
    if programs and encoded:
        raise ValueError(
            f"train.candidates.{next(iter(programs))}: a program gets the numbers of the features, and {encoded[0]} has"
            " none before an estimator's pipeline is fitted. Declare one_of in place of encode, or no program"
        )
