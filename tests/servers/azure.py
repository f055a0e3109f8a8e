"""An Azure Blob server of the tests' own: Azurite, Microsoft's emulator, from npm.

It is installed once into the environment that runs the tests, from `azurite/package-lock.json`, whose hashes npm
checks: by `make test`, or by the first test that wants it. Where there is no Node.js or no registry the tests that need
it say so and are skipped. To take a newer version: change `azurite/package.json`, then
`npm install --package-lock-only --ignore-scripts` beside it.
"""

import base64
import hashlib
import hmac
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path

import httpx

_DECLARED = Path(__file__).parent / "azurite"
_API_VERSION = "2021-08-06"
_ACCOUNT = "almanac"
_INSTALL_TIMEOUT_S = 300


class NotInstallableError(Exception):
    """Azurite is not installed and cannot be; says why."""


@dataclass(frozen=True)
class AzureServer:
    """A running server with one account, and its process, which a test may stop and continue."""

    url: str
    account: str
    key: str
    process: subprocess.Popen[str]

    @property
    def environment(self) -> Mapping[str, str]:
        """What production would set, too, but for the endpoint, which is Microsoft's there."""
        return {
            "AZURE_STORAGE_ACCOUNT_NAME": self.account,
            "AZURE_STORAGE_ACCOUNT_KEY": self.key,
            "AZURE_STORAGE_ENDPOINT": f"{self.url}/{self.account}",
            "AZURE_ALLOW_HTTP": "true",
        }

    def create_container(self, name: str) -> None:
        """Make a container; its name must have three characters or more."""
        date = formatdate(usegmt=True)
        headers = {"x-ms-date": date, "x-ms-version": _API_VERSION}
        text = "".join(f"{key}:{value}\n" for key, value in headers.items())
        signed = "PUT" + "\n" * 12 + f"{text}/{self.account}/{self.account}/{name}\nrestype:container"
        signature = hmac.new(base64.b64decode(self.key), signed.encode(), hashlib.sha256).digest()
        headers["Authorization"] = f"SharedKey {self.account}:{base64.b64encode(signature).decode()}"
        httpx.put(f"{self.url}/{self.account}/{name}?restype=container", headers=headers).raise_for_status()


@contextmanager
def azure_server() -> Iterator[AzureServer]:
    """Install Azurite where that was not done, start it on a free port of loopback, and end it afterwards.

    Raises:
        NotInstallableError: this machine has no Node.js, or cannot reach the registry.
    """
    program = _installed() / "node_modules" / "azurite" / "dist" / "src" / "blob" / "main.js"
    key = base64.b64encode(secrets.token_bytes(32)).decode()
    with tempfile.TemporaryDirectory(prefix="almanac-azurite-") as folder:
        process = subprocess.Popen(
            # It refuses the protocol of today's clients, which are newer than it, unless told not to look.
            [
                "node",
                str(program),
                "--blobHost",
                "127.0.0.1",
                "--blobPort",
                "0",
                "--inMemoryPersistence",
                "--skipApiVersionCheck",
                "--disableTelemetry",
                "--silent",
            ],
            cwd=folder,
            env={**os.environ, "AZURITE_ACCOUNTS": f"{_ACCOUNT}:{key}"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            yield AzureServer(_address(process), _ACCOUNT, key, process)
        finally:
            process.kill()
            process.communicate()


def _address(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if "successfully listens on" in line:
            return line.rsplit(" ", 1)[1].strip()
    raise AssertionError(f"Azurite did not start: {''.join(lines)}")


def _installed() -> Path:
    """The folder of the declared version, installed whole: its name holds the lock's hash.

    Raises:
        NotInstallableError: see `azure_server`.
    """
    lock = (_DECLARED / "package-lock.json").read_bytes()
    folder = Path(sys.prefix) / "azurite" / hashlib.sha256(lock).hexdigest()[:16]
    if folder.exists():
        return folder
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        raise NotInstallableError("no Node.js on this machine (Debian: apt-get install nodejs npm)")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as place:
        shutil.copytree(_DECLARED, place, dirs_exist_ok=True)
        command = [npm, "ci", "--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
        try:
            done = subprocess.run(command, cwd=place, capture_output=True, text=True, timeout=_INSTALL_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            raise NotInstallableError(f"npm did not install Azurite within {_INSTALL_TIMEOUT_S} s") from None
        if done.returncode:
            raise NotInstallableError(f"npm could not install Azurite: {done.stderr.strip()[:300]}")
        try:
            Path(place).rename(folder)
        except OSError:
            assert folder.exists()  # another session was first
        Path(place).mkdir(exist_ok=True)  # for its own removal
    return folder


if __name__ == "__main__":
    try:
        _installed()
    except NotInstallableError as reason:
        print(f"Azurite is not installed, and tests that want it are skipped: {reason}", file=sys.stderr)  # noqa: T201
