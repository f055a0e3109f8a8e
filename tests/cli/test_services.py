"""What `up` and `demo` say about the services; the services themselves run in tests/e2e and tests/docs."""

import sys

import pytest
from typer.testing import CliRunner

from almanac.cli.app import app
from almanac.cli.services import print_addresses
from almanac.config.credentials import credentials_file, load_or_create
from almanac.config.home import Home
from almanac.services.ports import choose_ports
from almanac.services.services import Services


@pytest.fixture
def services(tmp_path):
    home = Home(home=tmp_path)
    choose_ports(home.home)
    load_or_create(home.home)
    return Services(home)


def test_addresses_begin_with_the_start_page(services, capsys):
    print_addresses(services)

    assert capsys.readouterr().out.splitlines()[0].split() == [
        "Almanac",
        f"{services.airflow_url}/almanac/",
        "user",
        "admin",
    ]


@pytest.mark.parametrize("terminal", [True, False])
def test_addresses_show_passwords_to_a_terminal_only(services, capsys, monkeypatch, terminal):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal)

    print_addresses(services)

    said = capsys.readouterr().out
    assert (services.credentials.airflow_password in said) is terminal
    assert (services.credentials.mlflow_password in said) is terminal
    assert str(credentials_file(services.home.home)) in said


def test_demo_keep_with_containers_is_refused():
    said = CliRunner().invoke(app, ["demo", "--keep", "--containers"])

    assert said.exit_code == 2
    assert "expected without --celery and --containers" in said.output
