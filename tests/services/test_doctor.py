import os
import socket

import obstore
import pytest

from almanac.backup.snapshot.sources import below
from almanac.config.credentials import credentials_file, load_or_create
from almanac.config.home import Home
from almanac.services import doctor
from almanac.services.ports import LOOPBACK, Ports
from tests.servers.stores import WRONG_SECRET

LOCK = """\
# a comment with ==
alpha==1.0 \\
    --hash=sha256:00
beta==2.0 ; sys_platform == 'nowhere' \\
    --hash=sha256:00
gamma[extra]==3.0 ; python_full_version >= '3' \\
    --hash=sha256:00
"""


@pytest.fixture
def lock(tmp_path):
    path = tmp_path / "requirements.txt"
    path.write_text(LOCK)
    return path


def test_lock_check_all_as_locked_is_ok_and_counts_this_system_only(lock):
    check = doctor.lock_check(lock, {"alpha": "1.0", "gamma": "3.0"}.get)

    assert (check.state, check.seen) == ("ok", "2 as locked")


def test_lock_check_other_or_missing_version_fails_and_says_which(lock):
    check = doctor.lock_check(lock, {"alpha": "1.1"}.get)

    assert check.state == "fail"
    assert "alpha 1.1 (expected 1.0)" in check.seen
    assert "gamma missing (expected 3.0)" in check.seen
    assert "make setup" in check.todo


def test_place_check_not_made_yet_is_ok(tmp_path):
    assert doctor.place_check("landing", str(tmp_path / "a" / "b")).state == "ok"


def test_place_check_object_store_is_tried_and_left_as_it_was(any_store):
    check = doctor.place_check("landing", f"{any_store.uri}/landing")

    assert (check.state, check.seen) == ("ok", f"{any_store.uri}/landing: accessible, and conditional writes work")
    assert below(any_store.uri) == []


def test_place_check_object_store_without_the_right_key_warns(any_store, monkeypatch):
    monkeypatch.setenv(any_store.secret_name, WRONG_SECRET)
    check = doctor.place_check("landing", f"{any_store.uri}/landing")

    assert check.state == "warn"
    assert "403" in check.seen
    assert "almanac_storage" in check.todo


def test_place_check_store_that_creates_twice_fails(any_store, monkeypatch):
    monkeypatch.setattr(obstore, "put", lambda *_, **__: None)
    check = doctor.place_check("datasets", f"{any_store.uri}/datasets")

    assert check.state == "fail"
    assert "overwrites an existing object although If-None-Match" in check.seen


def test_place_check_of_another_scheme_fails():
    assert doctor.place_check("landing", "ftp://host/landing").state == "fail"


@pytest.mark.parametrize("prefix", ["", "file://"])
def test_place_check_below_a_file_fails(tmp_path, prefix):
    (tmp_path / "file").write_text("")

    assert doctor.place_check("landing", f"{prefix}{tmp_path}/file/landing").state == "fail"


@pytest.mark.skipif(os.getuid() == 0, reason="root may write everywhere")
def test_place_check_read_only_folder_fails_and_says_what_to_do(tmp_path):
    tmp_path.chmod(0o500)

    check = doctor.place_check("home", str(tmp_path / "home"))

    assert check.state == "fail"
    assert "chown or chmod" in check.todo


def test_mode_check_secret_that_others_can_read_fails(tmp_path):
    load_or_create(tmp_path)
    path = credentials_file(tmp_path)
    path.chmod(0o644)

    check = doctor.mode_check(path, 0o600)

    assert (check.state, check.seen, check.todo) == ("fail", "mode 644, expected 600", f"chmod 600 {path}")


def test_mode_check_stricter_than_needed_is_ok(tmp_path):
    path = tmp_path / "secret"
    path.touch(mode=0o400)

    assert doctor.mode_check(path, 0o600).state == "ok"


def test_port_check_taken_by_others_warns():
    with socket.socket() as server:
        server.bind((LOOPBACK, 0))
        server.listen()
        port = server.getsockname()[1]

        assert doctor.port_check(Ports(airflow=port), running=False).state == "warn"
        assert doctor.port_check(Ports(airflow=port), running=True).state == "ok"


def test_yaml_check_broken_file_fails_with_its_problem(tmp_path):
    (tmp_path / "broken.yaml").write_text("a: [")

    check = doctor.yaml_check(tmp_path)

    assert check.state == "fail"
    assert "broken.yaml: not YAML" in check.seen


def test_machine_checks_problem_of_the_preflight_fails(tmp_path, monkeypatch):
    monkeypatch.setattr(doctor.preflight, "memory_bytes", lambda: 10**9)

    (check,) = doctor.machine_checks(tmp_path)

    assert check.state == "fail"
    assert "got 1.0 GB, expected 4 GB" in check.seen


def test_parsed_dag_check_broken_file_fails_with_its_error(tmp_path, monkeypatch):
    (tmp_path / "dags").mkdir()
    (tmp_path / "dags" / "broken.py").write_text("from airflow.sdk import DAG\nraise ValueError('[odd] reason')\n")
    with_our_dags = doctor.environment

    def environment(*args, extra, **kwargs):
        extra = {**extra, "AIRFLOW__CORE__DAGS_FOLDER": str(tmp_path / "dags")}
        return with_our_dags(*args, extra=extra, **kwargs)

    monkeypatch.setattr(doctor, "environment", environment)

    check = doctor.parsed_dag_check(Home(home=tmp_path / "home"))

    assert check.state == "fail"
    assert "broken.py: ValueError: [odd] reason" in check.seen


def test_examine_check_that_breaks_is_a_row(tmp_path, monkeypatch):
    def broken(_root):
        raise OSError("the disk is gone")

    monkeypatch.setattr(doctor, "machine_checks", broken)
    monkeypatch.setattr(doctor, "parsed_dag_check", lambda _home: doctor.Check("DAG files", "ok", ""))

    rows = doctor.examine(Home(home=tmp_path))

    assert [row.seen for row in rows if row.state == "fail" and row.name == "doctor"] == ["the disk is gone"]
    assert "YAML files" in [row.name for row in rows]
