"""How a dataset is kept fast and small: `maintenance` of a model's YAML."""

from datetime import timedelta
from typing import Annotated

from pydantic import Field

from almanac.config.grammar.section import Section
from almanac.config.grammar.types import Cron, Duration


class Maintenance(Section):
    """Small files are joined, and files go that no version needs which somebody may still ask for."""

    schedule: Cron = Field("0 2 * * 0", description="When; off peak. Default: Sundays at two.")
    keep_for: Annotated[Duration, Field(ge=timedelta(days=1))] = Field(
        timedelta(days=7), description="Every version younger than this stays readable, whether it is used or not."
    )
    check_files_every: Annotated[Duration, Field(ge=timedelta(days=1), le=timedelta(days=366))] = Field(
        timedelta(days=30), description="Each stored file is checked once in this time, a share of them each night."
    )
