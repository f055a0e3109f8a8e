import socket

import pytest

from almanac.services.ports import LOOPBACK, Ports, choose_ports, is_free, load_ports, ports_file


@pytest.fixture
def taken():
    with socket.socket() as server:
        server.bind((LOOPBACK, 0))
        server.listen()
        yield server.getsockname()[1]


def test_is_free_port_with_a_listener_is_not(taken):
    assert not is_free(taken)


def test_choose_ports_second_start_finds_the_same(tmp_path):
    assert choose_ports(tmp_path) == choose_ports(tmp_path) == load_ports(tmp_path)


def test_choose_ports_taken_one_is_replaced_and_the_others_stay(tmp_path, taken):
    before = choose_ports(tmp_path)
    ports_file(tmp_path).write_text(f'{{"airflow": {taken}, "mlflow": {before.mlflow}, "logs": {before.logs}}}')

    after = choose_ports(tmp_path)

    assert after.airflow != taken
    assert (after.mlflow, after.logs) == (before.mlflow, before.logs)
    assert load_ports(tmp_path) == after


def test_choose_ports_damaged_file_starts_again(tmp_path):
    ports_file(tmp_path).parent.mkdir()
    ports_file(tmp_path).write_text("{")

    assert load_ports(tmp_path) is None
    assert len(set(vars(choose_ports(tmp_path)).values())) == 3


def test_ports_urls_are_on_loopback():
    ports = Ports(airflow=1, mlflow=2)

    assert (ports.airflow_url, ports.mlflow_url) == ("http://127.0.0.1:1", "http://127.0.0.1:2")
