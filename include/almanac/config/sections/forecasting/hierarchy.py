"""`forecast.hierarchy`: levels of totals over grains."""

from collections.abc import Sequence
from typing import Literal

Columns = tuple[str, ...]
Method = Literal["bottom_up", "wls_struct", "mint_shrink"]


def check_hierarchy(hierarchy: Sequence[Columns], grain: Columns) -> None:
    """Refuse levels that are not nested, or that do not end at the grain.

    Raises:
        ValueError: they do not.
    """
    shown = [list(level) for level in hierarchy]
    for above, level in zip([(), *hierarchy], hierarchy, strict=False):
        if not set(above) < set(level) or len(set(level)) != len(level):
            raise ValueError(
                f"hierarchy: each level must have the columns of the level above it, and more; got {list(level)} below"
                f" {list(above)} in {shown}, such as [[Region], [Region, Store]]. The total of all is always there"
            )
    if hierarchy and set(hierarchy[-1]) != set(grain):
        raise ValueError(f"hierarchy: the last level must be the grain {list(grain)}; got {shown}")
