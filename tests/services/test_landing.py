"""Files can be dropped as soon as the services are up."""

from pathlib import Path

from almanac.config.credentials import load_or_create
from almanac.config.home import Home
from almanac.services.landing import make_landing_folders
from almanac.services.ports import Ports
from almanac.services.services import Services
from tests.data.installation import tiny_csv


def test_landing_folder_of_each_declared_model_is_made_and_keeps_what_lies_there(tmp_path: Path) -> None:
    home = Home(home=tmp_path)
    (folder,) = make_landing_folders(home)
    assert folder == tmp_path / "landing" / "weather"
    (folder / "some.csv").write_text(tiny_csv([]))
    make_landing_folders(home)
    assert [path.name for path in folder.iterdir()] == ["some.csv"]


def test_landing_area_in_an_object_store_needs_no_folder(tmp_path: Path) -> None:
    assert make_landing_folders(Home(home=tmp_path, landing="s3://port/landing")) == []


def test_up_makes_the_landing_folders_before_it_starts_anything(tmp_path: Path) -> None:
    home = Home(home=tmp_path)
    load_or_create(tmp_path)
    Services(home)._prepare(Ports())
    assert (tmp_path / "landing" / "weather").is_dir()
