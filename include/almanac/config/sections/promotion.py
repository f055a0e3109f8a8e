"""How a challenger becomes champion, and how that is undone: `promotion`, `approval`, `shadow`, `rollback`."""

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BeforeValidator, Field

from almanac.config.grammar.section import Section
from almanac.config.grammar.types import Cron, Duration

if TYPE_CHECKING:
    from almanac.config.schema import Model

Promotion = Literal["auto", "approve", "manual"]
"""By rule unless something asks for a person; by a person's answer always; only by `promote`."""


class Approval(Section):
    """Who answers when a person must decide. No answer in time is a no."""

    users: tuple[str, ...] = Field(
        (),
        description="Ids of Airflow users; for what is approved by starting a run, their names. Empty: of a model,"
        " those of _installation.yaml; there, everybody who may act on the DAG.",
    )
    timeout: Annotated[Duration, Field(ge=timedelta(seconds=1))] = Field(
        timedelta(days=1),
        description="How long a request for approval waits. No other training of the model starts meanwhile.",
    )
    four_eyes: bool = Field(
        False, description="The approver must not be who started the run, trained the version or declared the model."
    )

    def within(self, group: "Approval") -> "Approval":
        """The same with the group's users where it names none; four eyes where either wants them."""
        both = {"users": self.users or group.users, "four_eyes": self.four_eyes or group.four_eyes}
        return self.model_copy(update=both)


class Shadow(Section):
    """Challenger and champion score the same rows until enough labels have arrived; only the champion's count."""

    rows: Annotated[int, Field(ge=30)] = Field(1000, description="Labelled rows that both have scored.")
    then: Literal["promote", "ask", "nothing"] = Field(
        "ask", description="What happens to a challenger that is not worse; a worse one is refused."
    )


class Rollback(Section):
    """How it is proven that `previous` could take over at once."""

    drill: Cron = Field(
        "30 4 * * 6", description="When the previous version is loaded, verified and scored with. Default: Saturdays."
    )


def _shadow(declared: object) -> object:
    """`shadow: true` is a shadow as it comes, `false` none."""
    if declared is True:
        return {}
    return None if declared is False else declared


AnyShadow = Annotated[Shadow | None, BeforeValidator(_shadow)]


def promotion_problems(model: "Model") -> tuple[str, ...]:
    """What is missing without which nothing may go into production. To ask for more, add a line.

    Backups need no line: no model can be declared without them.
    """
    monitoring = model.pipelines.get("monitor")
    found = {
        "monitor": "its pipeline is disabled (pipelines.monitor.enabled)"
        if monitoring is not None and monitoring.enabled is False
        else "",
    }
    return tuple(f"{section}: {problem}" for section, problem in found.items() if problem)
