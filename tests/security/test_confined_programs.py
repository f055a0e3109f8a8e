"""A training program reaches its own folder and nothing else of the installation."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from almanac.errors import ConfigError
from almanac.programs import supervisor
from tests.programs.conftest import GIVES_ITS_GRAPH, rows, team  # noqa: F401 - fixtures
from tests.training.conftest import weather  # noqa: F401 - a fixture

needs_landlock = pytest.mark.skipif(not supervisor.landlock_abi(), reason="the kernel has no Landlock")


def test_program_gets_no_secret_of_the_environment(team, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", "postgres://secret")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("PYTHONPATH", "/nowhere")
    team.write("import os\nprint('given', *sorted(os.environ))\n" + GIVES_ITS_GRAPH)
    team.fit()
    (given,) = [line.split()[1:] for line in team.said if line.startswith("given")]
    allowed = {"HOME", "PATH", "TMPDIR", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "CUDA_VISIBLE_DEVICES", "LD_LIBRARY_PATH"}
    assert {name for name in given if not name.startswith("PYTHON")} <= {*allowed, "SSL_CERT_FILE"}
    assert "PYTHONPATH" not in given


@pytest.fixture
def outside() -> Iterator[Path]:
    """A folder on a disk: frameworks may use shared memory, where the files of tests can lie."""
    with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="almanac-test-") as folder:
        yield Path(folder)


@needs_landlock
@pytest.mark.parametrize(
    "attempt",
    [
        "open({outside!r} + '/written', 'w')",
        "open({secret!r}).read()",
        "os.remove({secret!r})",
        "os.listdir({outside!r})",
        "os.link({secret!r}, 'native/linked')",
        "open('/proc/{parent}/environ', 'rb').read()",
        "os.kill({parent}, 0)",
        "socket.create_connection(('127.0.0.1', {port}), 5)",
    ],
)
def test_program_cannot_leave_its_folder(team, outside, attempt) -> None:  # noqa: F811
    import socket

    secret = outside / "secret"
    secret.write_text("password")
    with socket.create_server(("127.0.0.1", 0)) as server:
        names = {"outside": str(outside), "secret": str(secret), "parent": os.getpid()}
        team.write("import os, socket\n" + attempt.format(**names, port=server.getsockname()[1]) + "\n")
        with pytest.raises(ConfigError, match=r"exit code 1.*(PermissionError|cross-device link)"):
            team.fit()
    assert [path.name for path in outside.iterdir()] == ["secret"]


def test_program_that_may_use_the_network_opens_a_connection(team) -> None:  # noqa: F811
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        said = f"import socket\nsocket.create_connection(('127.0.0.1', {port}), 5).sendall(b'hello')\n"
        team.write(said + GIVES_ITS_GRAPH)
        team.fit(network=True)
        server.settimeout(60)
        connection, _ = server.accept()
        with connection:
            assert connection.recv(5) == b"hello"


def test_program_cannot_say_for_itself_how_it_ended(team) -> None:  # noqa: F811
    team.write(
        "import os\n"
        "for number in range(3, 256):\n"
        '    try: os.write(number, b\'{"ended": 0, "killed": false}\')\n'
        "    except OSError: pass\n"
        "raise SystemExit(3)\n"
    )
    with pytest.raises(ConfigError, match="exit code 3, expected 0"):
        team.fit()


@needs_landlock
def test_version_says_that_its_program_was_confined(team) -> None:  # noqa: F811
    team.write(GIVES_ITS_GRAPH)
    assert team.fit().files.confined
