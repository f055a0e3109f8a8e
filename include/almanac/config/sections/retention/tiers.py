"""Where objects of backups lie as they grow old, and what that costs: `backup.tiers` of `_installation.yaml`."""

from datetime import timedelta
from typing import Annotated, Self

from pydantic import Field, model_validator

from almanac.config.grammar.section import Section
from almanac.config.grammar.types import Duration

_Price = Annotated[float, Field(ge=0)]


class TierPrices(Section):
    """What a tier costs, in `currency`, and what its provider asks for."""

    gib_month: _Price = Field(description="One GiB for a month.")
    put_1000: _Price = Field(description="Putting a thousand objects there.")
    get_gib: _Price = Field(0.0, description="Reading one GiB, also to move it elsewhere.")
    min_stay: Duration = Field(timedelta(0), description="Minimum billed stay.")
    min_billed_kib: Annotated[int, Field(ge=0)] = Field(0, description="Minimum billed object size.")


_HOT = TierPrices(gib_month=0.023, put_1000=0.005)
_COOL = TierPrices(gib_month=0.0125, put_1000=0.01, get_gib=0.01, min_stay=timedelta(days=30), min_billed_kib=128)
_ARCHIVE = TierPrices(gib_month=0.0036, put_1000=0.03, get_gib=0.01, min_stay=timedelta(days=90), min_billed_kib=40)


class Tiers(Section):
    """Ages count from the newest snapshot of the subject. Moves that do not pay within a minimum stay are not made."""

    cool_after: Duration | None = Field(timedelta(days=30), description="None: everything stays hot.")
    archive_after: Duration | None = Field(timedelta(days=365), description="None: nothing goes to the archive.")
    thaw: Duration = Field(timedelta(hours=12), description="How long a restore from the archive takes.")
    look_again: Annotated[Duration, Field(ge=timedelta(seconds=1))] = Field(
        timedelta(minutes=10),
        description="How long to wait before asking again for an object that comes back from the archive.",
    )
    keep_thawed: Annotated[Duration, Field(ge=timedelta(days=1))] = Field(
        timedelta(days=7), description="How long restored objects stay readable."
    )
    currency: str = Field("USD", description="Of the prices.")
    hot: TierPrices = _HOT
    cool: TierPrices = _COOL
    archive: TierPrices = _ARCHIVE

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.cool_after is None or self.archive_after is None:
            return self
        if self.archive_after < self.cool_after + self.cool.min_stay:
            raise ValueError(
                "archive_after must be at least cool_after and cool.min_stay together: objects that leave cool sooner"
                " are billed for the whole stay"
            )
        return self
