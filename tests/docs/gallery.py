"""What is true around the scene of `docs/gallery.md`."""

from almanac.config.files.loader import find_model
from almanac.config.home import Home
from almanac.storage.listing import list_files


def the_model_is_declared() -> None:
    assert find_model(Home().models, "rentals").label.column == "rentals"


def the_file_has_landed() -> None:
    home = Home()
    landed = list_files(home.landing_of("rentals"), find_model(home.models, "rentals").source.patterns)
    assert [file.uri.rsplit("/", 1)[1] for file in landed] == ["rentals.csv"]
