"""Fixtures that every test directory may use: a place on a real S3 server, and one on a real Azure Blob server.

`s3_store` and `azure_store` give a `Store`: a URI that nobody else uses (`s3://...`, `abfs://...`), and the environment
that leads there, which is set for the length of the test as production would set it; no other AWS_* or AZURE_* is set
meanwhile. Processes that a test starts inherit it. `any_store` runs a test on both. The servers live for the session,
start with the first test that asks, and are in the fixtures `s3_server` and `azure_server`: of S3 `.client()`, of both
`.process`, which a test may stop (SIGSTOP) to let a store be away, and must continue.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from uuid import uuid4

import pytest

from tests.servers import azure, s3

BUCKET = "almanac"
WRONG_SECRET = "V3Jvbmdfc2VjcmV0X3RoYXRfb3BlbnNfbm9fc3RvcmU="  # has the form of a right one, for both
_CLOUDS = ("AWS_", "AZURE_")


@dataclass(frozen=True)
class Store:
    """A place in a store, and the variables that lead there."""

    uri: str
    environment: Mapping[str, str]

    @property
    def secret_name(self) -> str:
        """The variable that holds the secret."""
        return "AWS_SECRET_ACCESS_KEY" if self.uri.startswith("s3:") else "AZURE_STORAGE_ACCOUNT_KEY"

    @property
    def secret(self) -> str:
        """What no message may say."""
        return self.environment[self.secret_name]


@pytest.fixture(scope="session")
def s3_server() -> Iterator[s3.S3Server]:
    with s3.s3_server() as server:
        server.create_bucket(BUCKET)
        yield server


@pytest.fixture(scope="session")
def azure_server() -> Iterator[azure.AzureServer]:
    try:
        with azure.azure_server() as server:
            server.create_container(BUCKET)
            yield server
    except azure.NotInstallableError as error:
        pytest.skip(str(error))


@pytest.fixture
def s3_store(s3_server: s3.S3Server, monkeypatch: pytest.MonkeyPatch) -> Store:
    return _store("s3", s3_server.environment, monkeypatch)


@pytest.fixture
def azure_store(azure_server: azure.AzureServer, monkeypatch: pytest.MonkeyPatch) -> Store:
    return _store("abfs", azure_server.environment, monkeypatch)


@pytest.fixture(params=["s3", "azure"])
def any_store(request: pytest.FixtureRequest) -> Store:
    store: Store = request.getfixturevalue(f"{request.param}_store")
    return store


def _store(scheme: str, environment: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> Store:
    for name in [name for name in os.environ if name.startswith(_CLOUDS)]:
        monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return Store(f"{scheme}://{BUCKET}/{uuid4()}", environment)
