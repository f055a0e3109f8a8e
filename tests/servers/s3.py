"""An S3 server of the tests' own: moto, in a process of its own, which checks signatures and conditional writes.

moto keeps everything in memory. It looks whether an object exists and then writes it, so that two conditional writes at
once could both pass; here it answers one request at a time, as if each were one step, as they are at Amazon.
"""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_REPOSITORY = Path(__file__).resolve().parents[2]
_REGION = "eu-north-1"


@dataclass(frozen=True)
class S3Server:
    """A running server, its one user, who may do everything, and its process, which a test may stop and continue.

    `role` is what a machine with a role is told by its metadata service: keys that change, and a token.
    """

    url: str
    access_key: str
    secret_key: str
    role: Mapping[str, str]
    process: subprocess.Popen[str]

    @property
    def environment(self) -> Mapping[str, str]:
        """What production would set, too, but for the endpoint, which is Amazon's there."""
        return {
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_REGION": _REGION,
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ALLOW_HTTP": "true",
        }

    def client(self) -> Any:
        """A client of botocore, for what a store's user does not do: make buckets, look at storage classes."""
        import botocore.session

        return botocore.session.get_session().create_client(
            "s3",
            endpoint_url=self.url,
            region_name=_REGION,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
        )

    def create_bucket(self, name: str) -> None:
        self.client().create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": _REGION})


@contextmanager
def s3_server() -> Iterator[S3Server]:
    """Start a server on a free port of loopback, and end it afterwards."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.servers.s3"],
        cwd=_REPOSITORY,
        env={**os.environ, "INITIAL_NO_AUTH_ACTION_COUNT": "0"},  # moto's word for: check every signature
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # a line for each request
        text=True,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, "the S3 server did not start; run `python -m tests.servers.s3` to see why"
        document = json.loads(line)
        url = f"http://127.0.0.1:{document['port']}"
        yield S3Server(url, document["access_key"], document["secret_key"], document["role"], process)
    finally:
        process.kill()
        process.communicate()


class _OneAtATime:
    def __init__(self, application: Callable[..., Iterable[bytes]]) -> None:
        self._application = application
        self._lock = threading.Lock()

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        with self._lock:
            return list(self._application(environ, start_response))


def _serve() -> None:
    from moto.core import DEFAULT_ACCOUNT_ID
    from moto.iam.models import iam_backends
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
    from moto.sts.models import sts_backends
    from werkzeug.serving import make_server

    users = iam_backends[DEFAULT_ACCOUNT_ID]["aws"]
    users.create_user(_REGION, "almanac")
    key = users.create_access_key("almanac")
    statement = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
    everything = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    users.put_user_policy("almanac", "all", everything)
    role = users.create_role("machine", "{}", "/", None, "", [], "3600")
    users.put_role_policy("machine", "all", everything)
    taken = sts_backends[DEFAULT_ACCOUNT_ID]["aws"].assume_role(_REGION, "test", role.arn, "", 3600, "")
    application = _OneAtATime(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", 0, application, threaded=True, request_handler=MotoRequestHandler)
    document = {
        "port": server.port,
        "access_key": key.access_key_id,
        "secret_key": key.secret_access_key,
        "role": {
            "AccessKeyId": taken.access_key_id,
            "SecretAccessKey": taken.secret_access_key,
            "Token": taken.session_token,
            "Expiration": "2099-01-01T00:00:00Z",
        },
    }
    sys.stdout.write(f"{json.dumps(document)}\n")
    sys.stdout.flush()
    server.serve_forever()


if __name__ == "__main__":
    _serve()
