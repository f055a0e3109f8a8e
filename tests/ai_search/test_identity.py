"""Who is sent the key or the token, and who never is."""

import json
from collections.abc import Iterator

import pytest

from almanac.ai_search.identity import endpoint_of
from almanac.errors import ConfigError
from tests.servers.http import Answer, HttpServer

CLOUDS = {
    "https://harbour.search.windows.net": "https://search.azure.com",
    "https://harbour.search.azure.us": "https://search.azure.us",
    "https://harbour.search.azure.cn": "https://search.azure.cn",
    "http://127.0.0.1:9": "https://search.azure.com",
}


@pytest.fixture
def identity(monkeypatch: pytest.MonkeyPatch) -> Iterator[HttpServer]:
    """The identity endpoint of an App Service or a container app, which azure-identity asks."""
    token = {"access_token": "a token", "expires_on": "4102444800", "token_type": "Bearer"}
    answer = Answer(200, json.dumps(token).encode(), {"Content-Type": "application/json"})
    with HttpServer(lambda _: answer) as server:
        monkeypatch.setenv("IDENTITY_ENDPOINT", f"{server.url}/msi/token")
        monkeypatch.setenv("IDENTITY_HEADER", "of this machine")
        yield server


@pytest.mark.parametrize(("url", "audience"), CLOUDS.items())
def test_endpoint_of_without_a_key_has_a_token_for_that_cloud(url: str, audience: str, identity: HttpServer) -> None:
    found = endpoint_of("c", url, key="", client_id="ab-12")

    assert found.headers == {"Authorization": "Bearer a token"}
    assert "a token" not in repr(found)
    (asked,) = identity.asked
    assert asked.params["resource"] == audience
    assert asked.params["client_id"] == "ab-12"


@pytest.mark.parametrize(
    "url",
    [
        "https://harbour.example",
        "https://search.windows.net.example",
        "https://harbour-search.windows.net.evil.example",
    ],
)
def test_endpoint_of_no_token_leaves_for_another_host(url: str, identity: HttpServer) -> None:
    with pytest.raises(ConfigError, match="the identity of this machine would be sent to"):
        endpoint_of("c", url, key="", client_id="")
    assert identity.asked == []


def test_endpoint_of_a_key_may_go_to_any_encrypted_address() -> None:
    assert endpoint_of("c", "https://proxy.example", key="k", client_id="").headers == {"api-key": "k"}


@pytest.mark.parametrize("url", ["http://harbour.search.windows.net", "http://10.0.0.1", "http://127.0.0.1.example"])
def test_endpoint_of_nothing_travels_unencrypted(url: str) -> None:
    for key in ("k", ""):
        with pytest.raises(ConfigError, match="not encrypted"):
            endpoint_of("c", url, key=key, client_id="")


def test_endpoint_of_refuses_what_is_no_address() -> None:
    with pytest.raises(ConfigError, match="no address"):
        endpoint_of("c", "https://", key="k", client_id="")


def test_endpoint_of_without_any_identity_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(*_: object, **__: object) -> object:
        from azure.core.exceptions import ClientAuthenticationError

        raise ClientAuthenticationError("DefaultAzureCredential failed to retrieve a token from the included")

    monkeypatch.setattr("azure.identity.DefaultAzureCredential.get_token", nobody)
    with pytest.raises(
        ConfigError, match=r"has no identity: ClientAuthenticationError\. Give the connection an API key"
    ):
        endpoint_of("c", "https://harbour.search.windows.net", key="", client_id="")
