"""The servers of the tests are stores to be trusted: they keep what production's stores promise."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import obstore
import pytest
from obstore.exceptions import AlreadyExistsError, PermissionDeniedError, PreconditionError
from obstore.store import from_url

from tests.servers.stores import WRONG_SECRET, Store


def test_store_create_refuses_what_exists(any_store: Store) -> None:
    place = from_url(any_store.uri)
    obstore.put(place, "a", b"one", mode="create")
    with pytest.raises(AlreadyExistsError):
        obstore.put(place, "a", b"two", mode="create")
    assert bytes(obstore.get(place, "a").bytes()) == b"one"


def test_store_swap_refuses_what_was_changed(any_store: Store) -> None:
    place = from_url(any_store.uri)
    first = obstore.put(place, "a", b"one")["e_tag"]
    obstore.put(place, "a", b"two", mode={"e_tag": first})
    with pytest.raises(PreconditionError):
        obstore.put(place, "a", b"three", mode={"e_tag": first})
    assert bytes(obstore.get(place, "a").bytes()) == b"two"


def test_store_wrong_key_is_refused(any_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(any_store.secret_name, WRONG_SECRET)
    with pytest.raises(PermissionDeniedError):
        obstore.put(from_url(any_store.uri, retry_config={"max_retries": 0, "retry_timeout": timedelta()}), "a", b"x")


def _create(uri: str, number: int) -> bool:
    try:
        obstore.put(from_url(uri), "a", str(number).encode(), mode="create")
    except AlreadyExistsError:
        return False
    return True


def test_store_of_many_creators_at_once_one_wins(any_store: Store) -> None:
    with ThreadPoolExecutor(4) as pool:
        for name in range(20):
            won = list(pool.map(_create, [f"{any_store.uri}/{name}"] * 4, range(4)))
            assert won.count(True) == 1
