"""The ports of one home: the usual ones when they are free, others when not, the same ones at every start."""

import json
import socket
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Ports:
    """Where the services listen, on loopback only.

    Nothing listens on `logs`: on one machine the api-server reads task logs from the disk. Airflow still asks this
    port for the log of a running task, so it must not be one where another Airflow answers.
    """

    airflow: int = 8080
    mlflow: int = 5000
    logs: int = 8793

    @property
    def airflow_url(self) -> str:
        """Airflow's user interface and REST API."""
        return f"http://{LOOPBACK}:{self.airflow}"

    @property
    def mlflow_url(self) -> str:
        """MLflow's user interface and tracking API."""
        return f"http://{LOOPBACK}:{self.mlflow}"


def ports_file(root: Path) -> Path:
    """Where the ports of the home at `root` are kept."""
    return root / "services" / "ports.json"


def load_ports(root: Path) -> Ports | None:
    """Read the ports of the last start; None when there was none, or the file is unreadable."""
    try:
        found = json.loads(ports_file(root).read_text("utf-8"))
        return Ports(**{name: int(found[name]) for name in asdict(Ports())})
    except (OSError, ValueError, KeyError, TypeError):
        return None


def choose_ports(root: Path) -> Ports:
    """Choose free ports, the last or the usual ones first, and keep them for the next start."""
    preferred: Mapping[str, int] = asdict(load_ports(root) or Ports())
    chosen: dict[str, int] = {}
    for name, port in preferred.items():
        chosen[name] = port if is_free(port) and port not in chosen.values() else any_free_port()
    ports = Ports(**chosen)
    path = ports_file(root)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(asdict(ports), indent=2) + "\n", "utf-8")
    return ports


def is_free(port: int) -> bool:
    """Tell whether a server could listen on this port of the loopback address now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As the servers do: connections that are closing down must not make a port look taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
            probe.listen(1)
        except OSError:
            return False
        return True


def any_free_port() -> int:
    """A port of the loopback address that nothing listens on now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port
