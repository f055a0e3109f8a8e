"""The images that the compose files name: ours from the Dockerfile, their bases from Debian's packages.

What this proves: the Dockerfile, the wiring, users, rights, networks, health checks, limits. What it does not: what is
in the official base images.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from almanac.config.home import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Callable

    from demo.containers.engine import Engine

_FOLDER = Path(__file__).with_name("bases")
# The name that a file asks for -> the folder with what stands for it.
BASES = {"python:3.11-slim-bookworm": "python", "postgres:15": "postgres", "redis:7-alpine": "redis"}
OWN = "almanac:latest"
_DEBIAN = "localhost/almanac-test/debian"
_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")


def make_images(engine: Engine, report: Callable[[str], None]) -> None:
    """Make the bases, and our image from the Dockerfile as it stands.

    Raises:
        PermanentError: a build failed.
        CalledProcessError: Debian could not be unpacked.
    """
    make_bases(engine, report)
    report(f"building {OWN} from the Dockerfile (minutes, the first time)")
    engine.build(OWN, REPOSITORY)


def make_bases(engine: Engine, report: Callable[[str], None]) -> None:
    """Make the images that are not there yet, or whose files have changed.

    Raises:
        PermanentError: a build failed.
        CalledProcessError: Debian could not be unpacked.
    """
    if not engine.has_image(_DEBIAN):
        report("unpacking Debian (a minute)")
        _import_debian(engine)
    for tag, name in BASES.items():
        made = f"localhost/almanac-test/{name}:{_hash_of(_FOLDER / name)}"
        if not engine.has_image(made):
            report(f"making {tag} of Debian's packages")
            engine.build(made, _FOLDER / name)
        engine.run("tag", made, tag)


def _import_debian(engine: Engine) -> None:
    root = engine.state / "debian"
    try:
        command = ["debootstrap", "--variant=minbase", "--include=ca-certificates", "bookworm", str(root)]
        subprocess.run(command, check=True, capture_output=True, umask=0o022, timeout=1200)
        # Whom this machine trusts, the builds trust: it may reach Debian and PyPI by a mirror of its own.
        shutil.copyfile(_CERTIFICATES, root / _CERTIFICATES.relative_to("/"))
        with subprocess.Popen(["tar", "-C", str(root), "-c", "."], stdout=subprocess.PIPE) as packed:
            subprocess.run(
                [
                    "podman",
                    "import",
                    "--change",
                    f"ENV SSL_CERT_FILE={_CERTIFICATES}",
                    "--change",
                    f"ENV PIP_CERT={_CERTIFICATES}",
                    "-",
                    _DEBIAN,
                ],
                stdin=packed.stdout,
                env=engine.environment,
                check=True,
                capture_output=True,
                timeout=600,
            )
    finally:
        shutil.rmtree(root, ignore_errors=True)


def _hash_of(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]
