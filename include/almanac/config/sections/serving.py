"""How the champion answers requests: `serve` of a model's YAML."""

from typing import Annotated, Literal

from pydantic import Field

from almanac.config.grammar.section import Section
from almanac.config.grammar.types import Duration


class Serving(Section):
    """How the champion answers requests, beside batch scoring. Without this section it answers none."""

    max_rows: Annotated[int, Field(ge=1, le=10_000)] = Field(1000, description="Rows in one request, at most.")
    max_requests: Annotated[int, Field(ge=1, le=100_000)] | None = Field(
        None,
        description="Requests of one token in any minute, at most, counted by each process of the service for itself;"
        " more are answered 429. Unset: any number.",
    )
    max_staleness: Duration | None = Field(
        None,
        description="How much older than a row of a request the dataset's newest row may be, for models whose features"
        " look back; unset: any age.",
    )
    when_stale: Literal["refuse", "warn"] = Field("refuse", description="What happens to a row beyond max_staleness.")
    log_inputs: bool = Field(
        False, description="Keep the columns of each request's rows in the log of answers, beside the hash of features."
    )
    durable: bool = Field(
        False,
        description="Wait until the disk has each answer before it is sent: none is lost with the machine's power, at a"
        " cost of milliseconds. Otherwise none is lost with the process.",
    )
