"""Without any key: the role of the machine lets every client in, as in production."""

import json
import subprocess
import sys
from pathlib import Path

from almanac.config.home import REPOSITORY
from tests.servers.http import Answer, HttpServer
from tests.servers.s3 import S3Server
from tests.servers.stores import Store

# In a process of its own: clients keep what they entered with.
EVERY_CLIENT = """
import sys
import polars as pl
from almanac.data.table.delta_table import collect, commit, open_table, scan_table
from almanac.storage.files import read_bytes, write_bytes
from almanac.storage.listing import list_files
root = sys.argv[1]
write_bytes(f"{root}/landing/a", b"x")
assert read_bytes(f"{root}/landing/a") == b"x"
assert [file.name for file in list_files(f"{root}/landing", ["*"])] == ["a"]
commit(f"{root}/table", None, pl.DataFrame({"a": [1]}), batch_id="b", sequence=1, metadata={})
assert collect(scan_table(open_table(f"{root}/table")), root).height == 1
"""


def test_role_of_a_pod_lets_every_client_in(s3_store: Store, s3_server: S3Server, tmp_path: Path) -> None:
    """As Amazon's pod identity does it: an address that gives keys to who shows the pod's token."""
    token = tmp_path / "token"
    token.write_text("of this pod")

    def keys(asked: object) -> Answer:
        return Answer(content=json.dumps(dict(s3_server.role)).encode(), headers={"Content-Type": "application/json"})

    with HttpServer(keys) as metadata:
        keyless = {name: value for name, value in s3_store.environment.items() if "ACCESS_KEY" not in name}
        environment = {
            **keyless,
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{metadata.url}/v1/credentials",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(token),
        }
        done = subprocess.run(
            [sys.executable, "-c", EVERY_CLIENT, s3_store.uri],
            cwd=REPOSITORY / "include",
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert done.returncode == 0, done.stderr
    assert {asked.headers.get("authorization") for asked in metadata.asked} == {"of this pod"}
