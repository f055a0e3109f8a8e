"""How a search service knows who asks: an API key, or the identity of this machine."""

from ipaddress import ip_address
from urllib.parse import urlsplit

from almanac.data.sources.http_client import Endpoint
from almanac.errors import ConfigError, TransientError
from almanac.extras import extra

# Where a token for a cloud's search services is valid, by the end of their addresses.
_AUDIENCES = {
    ".search.windows.net": "https://search.azure.com/.default",
    ".search.azure.us": "https://search.azure.us/.default",
    ".search.azure.cn": "https://search.azure.cn/.default",
}


def endpoint_of(connection: str, url: str, *, key: str, client_id: str) -> Endpoint:
    """The address of a service with the header that opens it.

    Neither a key nor a token travels unencrypted, but on this machine. A token goes to Microsoft's hosts alone: anyone
    who may write connections could otherwise let it be sent to themselves.

    Args:
        connection: its name, for messages.
        url: the address of the service.
        key: the API key; empty: the identity of this machine counts.
        client_id: of a user-assigned identity; empty: the machine's own.

    Raises:
        ConfigError: the address is none of a search service, or there is no identity.
        TransientError: the identity could not be asked for a token.
    """
    found = Endpoint(url, connection=connection)  # refuses what is no address
    parts = urlsplit(url)
    host = parts.hostname or ""
    here = _is_loopback(host)
    if parts.scheme != "https" and not here:
        raise ConfigError(f"connection {connection!r}: its address is not encrypted; expected https://")
    if key:
        return Endpoint(found.url, {"api-key": key}, connection)
    scope = next((scope for end, scope in _AUDIENCES.items() if host.endswith(end)), None)
    if scope is None and not here:
        raise ConfigError(
            f"connection {connection!r}: it has no password, so the identity of this machine would be sent to"
            f" {host!r}; expected an address that ends in one of {', '.join(_AUDIENCES)}, or an API key as password"
        )
    token = _token(scope or _AUDIENCES[".search.windows.net"], client_id, connection)
    return Endpoint(found.url, {"Authorization": f"Bearer {token}"}, connection)


def _token(scope: str, client_id: str, connection: str) -> str:
    with extra("azure", "Azure AI Search with the identity of this machine"):
        from azure.core.exceptions import AzureError, ClientAuthenticationError
        from azure.identity import DefaultAzureCredential
    try:
        return str(DefaultAzureCredential(managed_identity_client_id=client_id or None).get_token(scope).token)
    except ClientAuthenticationError as error:
        raise ConfigError(
            f"connection {connection!r}: it has no password, and this machine has no identity:"
            f" {type(error).__name__}. Give the connection an API key, or this machine a managed identity with the role"
            " `Search Service Contributor`"
        ) from error
    except AzureError as error:
        raise TransientError(f"connection {connection!r}: no token: {type(error).__name__}: {error}") from error


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
