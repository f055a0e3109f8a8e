import configparser
import os
import stat
import tempfile
from pathlib import Path

import pytest
from supervisor.options import ServerOptions

from almanac.config.credentials import load_or_create
from almanac.config.home import Home
from almanac.errors import ConfigError
from almanac.services.ports import Ports
from almanac.services.supervision.supervision import (
    Program,
    config_file,
    private_temporary_folder,
    programs,
    render_config,
    services_folder,
    socket_file,
    statuses,
)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(home=tmp_path / "-Jörg's home (1) & co, a+b~c@d!e:f=g 日本.")


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def read(home: Home) -> configparser.RawConfigParser:
    parser = configparser.RawConfigParser()
    parser.read_string(render_config(home, programs(home, Ports())))
    return parser


def test_render_config_is_one_that_supervisord_reads(home):
    (services_folder(home) / "logs").mkdir(parents=True)
    config_file(home).write_text(render_config(home, programs(home, Ports())))
    options = ServerOptions()

    options.realize(["--configuration", str(config_file(home))])

    groups = {group.name: [each.name for each in group.process_configs] for group in options.process_group_configs}
    assert groups["mlflow"] == ["mlflow"]
    assert sorted(groups["airflow"]) == ["api-server", "dag-processor", "scheduler", "triggerer", "watcher"]


def test_render_config_holds_no_secret(home):
    credentials = load_or_create(home.home)

    text = render_config(home, programs(home, Ports()))

    assert not any(value in text for value in vars(credentials).values())


def test_render_config_socket_is_for_the_owner_only(home):
    assert read(home)["unix_http_server"]["chmod"] == "0700"


def test_render_config_ends_whole_groups_and_starts_again(home):
    for program in programs(home, Ports()):
        section = read(home)[f"program:{program.name}"]
        assert (section["stopasgroup"], section["killasgroup"], section["autorestart"]) == ("true",) * 3


def test_render_config_percent_in_a_command_is_escaped(home):
    assert "\ncommand = echo '100%% of it'\n" in render_config(home, [Program("one", ("echo", "100% of it"))])


@pytest.mark.parametrize("name", ["scheduler", "triggerer"])
def test_programs_airflow_log_servers_that_listen_everywhere_are_left_out(home, name):
    commands = {program.name: program.command for program in programs(home, Ports())}

    assert "--skip-serve-logs" in commands[name]


def test_socket_file_short_home_is_in_the_home():
    assert socket_file(Home(home=Path("/srv/almanac"))) == Path("/srv/almanac/services/supervisor.sock")


def test_socket_file_long_home_is_short_private_and_its_own(temporary):
    first, second = (socket_file(Home(home=Path("/srv") / ("long" * 30) / name)) for name in ("a", "b"))

    assert first != second
    assert stat.S_IMODE(first.parent.stat().st_mode) == 0o700
    assert first.parent.parent == temporary


def test_private_temporary_folder_open_to_others_is_refused(temporary):
    (temporary / f"almanac-{os.getuid()}").mkdir(mode=0o755)

    with pytest.raises(ConfigError, match=r"expected a folder of mode 700.*got mode 755"):
        private_temporary_folder()


def test_private_temporary_folder_symbolic_link_is_refused(temporary):
    (temporary / "elsewhere").mkdir(mode=0o700)
    (temporary / f"almanac-{os.getuid()}").symlink_to(temporary / "elsewhere")

    with pytest.raises(ConfigError, match="expected a folder"):
        private_temporary_folder()


def test_statuses_services_down_is_empty(home):
    assert statuses(home) == ()


def test_render_config_api_server_waits_less_for_the_database_than_the_others(home):
    (services_folder(home) / "logs").mkdir(parents=True)
    config_file(home).write_text(render_config(home, programs(home, Ports())))
    options = ServerOptions()

    options.realize(["--configuration", str(config_file(home))])

    found = {
        process.name: dict(process.environment).get("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "")
        for group in options.process_group_configs
        for process in group.process_configs
    }
    assert found["api-server"].endswith("/airflow/airflow.db?timeout=5")
    assert found["scheduler"] == ""  # from supervisord's own environment
