"""All scenes, and the lines that are played elsewhere."""

from tests.docs import (
    plays_forecasts,
    plays_losses,
    plays_operations,
    plays_pages,
    plays_printed,
    plays_services,
    plays_transfer,
)
from tests.docs.scenes import Scene

SCENES: tuple[Scene, ...] = (
    *plays_operations.SCENES,
    *plays_losses.SCENES,
    *plays_pages.SCENES,
    *plays_services.SCENES,
    *plays_forecasts.SCENES,
    *plays_transfer.SCENES,
)
PRINTED: tuple[Scene, ...] = plays_printed.SCENES
