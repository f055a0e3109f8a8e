"""A connection becomes the variables that every client knows, and nothing of it is said."""

import json
import os

import pytest

from almanac.config.connection import Connection
from almanac.errors import ConfigError
from almanac.storage.access import VARIABLE, load_credentials_from_environment, variables
from almanac.storage.files import read_bytes, write_bytes
from tests.servers.stores import Store

S3, AZURE = ["s3://bucket/landing"], ["abfs://container/landing"]


@pytest.mark.parametrize(
    ("access", "uris", "expected"),
    [
        ({}, S3, {}),
        ({"extra": {"region_name": "eu-north-1"}}, S3, {"AWS_REGION": "eu-north-1"}),
        (
            {"login": "id", "password": "key", "extra": {"endpoint_url": "https://s3.port.example"}},
            S3,
            {"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "key", "AWS_ENDPOINT_URL": "https://s3.port.example"},
        ),
        ({"login": "acc"}, AZURE, {"AZURE_STORAGE_ACCOUNT_NAME": "acc"}),
        (
            {"host": "https://acc.blob.core.windows.net", "extra": {"managed_identity_client_id": "me"}},
            AZURE,
            {"AZURE_STORAGE_ACCOUNT_NAME": "acc", "AZURE_CLIENT_ID": "me"},
        ),
        (
            {"login": "acc", "password": "key"},
            AZURE,
            {"AZURE_STORAGE_ACCOUNT_NAME": "acc", "AZURE_STORAGE_ACCOUNT_KEY": "key"},
        ),
        (
            {"login": "app", "password": "secret", "host": "acc", "extra": {"tenant_id": "t"}},
            AZURE,
            {
                "AZURE_STORAGE_ACCOUNT_NAME": "acc",
                "AZURE_CLIENT_ID": "app",
                "AZURE_CLIENT_SECRET": "secret",
                "AZURE_TENANT_ID": "t",
            },
        ),
        (
            {"login": "acc", "extra": {"sas_token": "sv=1&sig=2"}},
            AZURE,
            {"AZURE_STORAGE_ACCOUNT_NAME": "acc", "AZURE_STORAGE_SAS_TOKEN": "sv=1&sig=2"},
        ),
        (
            {"login": "acc", "password": "key", "extra": {"endpoint_url": "http://127.0.0.1:10000/acc"}},
            AZURE,
            {
                "AZURE_STORAGE_ACCOUNT_NAME": "acc",
                "AZURE_STORAGE_ACCOUNT_KEY": "key",
                "AZURE_STORAGE_ENDPOINT": "http://127.0.0.1:10000/acc",
                "AZURE_ALLOW_HTTP": "true",
            },
        ),
    ],
)
def test_variables_of_each_kind_of_entry(access: dict[str, object], uris: list[str], expected: dict[str, str]) -> None:
    assert variables(Connection.model_validate(access), uris) == expected


def test_variables_of_what_no_store_knows_are_refused() -> None:
    access = Connection(extra={"role_arn": "arn:aws:iam::1:role/hush"})
    with pytest.raises(ConfigError, match=r"extra: unknown \['role_arn'\]; expected some of .*'region_name'") as caught:
        variables(access, S3)
    assert "hush" not in str(caught.value)


def test_access_shown_keeps_its_secrets() -> None:
    assert "hush" not in repr(Connection(login="id", password="hush", extra={"sas_token": "hush"}))


def as_connection(store: Store) -> str:
    text = store.environment
    if store.uri.startswith("s3:"):
        extra = {"region_name": text["AWS_REGION"], "endpoint_url": text["AWS_ENDPOINT_URL"]}
        login = text["AWS_ACCESS_KEY_ID"]
    else:
        extra, login = {"endpoint_url": text["AZURE_STORAGE_ENDPOINT"]}, text["AZURE_STORAGE_ACCOUNT_NAME"]
    return json.dumps({"conn_type": "generic", "login": login, "password": store.secret, "extra": extra})


def test_enter_from_environment_lets_into_the_store(any_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, as_connection(any_store))
    for name in any_store.environment:
        monkeypatch.delenv(name)
    load_credentials_from_environment([any_store.uri])
    write_bytes(f"{any_store.uri}/a", b"x")
    assert read_bytes(f"{any_store.uri}/a") == b"x"


@pytest.mark.parametrize("said", ["aws://id:hush@", "[1]", '{"login": 1, "password": "hush"}'])
def test_enter_from_environment_other_form_is_refused(said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, said)
    with pytest.raises(ConfigError, match=r"AIRFLOW_CONN_ALMANAC_STORAGE: not a connection; expected JSON") as caught:
        load_credentials_from_environment(S3)
    assert "hush" not in str(caught.value)


def test_enter_from_environment_is_not_asked_without_a_store(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "anything")
    before = dict(os.environ)
    load_credentials_from_environment([])
    assert dict(os.environ) == before
    with pytest.raises(ConfigError):  # the same value is read, and refused, where there is a store
        load_credentials_from_environment(S3)
