"""Who may read the metrics: people as for the pages, and scrapers with a token of their own.

A scraper's token begins with `almanac_`, so it is never given to Airflow, and Airflow's never looked for among ours.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Annotated

from airflow.api_fastapi.auth.managers.models.base_user import BaseUser
from airflow.api_fastapi.core_api.security import bearer_scheme, get_user
from fastapi import Depends, HTTPException, Request
from fastapi.security import HTTPAuthorizationCredentials

from almanac.config.home import Home
from almanac.config.schema import Declared
from almanac.serving.tokens import EVERY_MODEL, PREFIX, Token, Tokens
from almanac_airflow.ui import access


@dataclass(frozen=True)
class Reader:
    """What the caller may see: some models, and whether what belongs to none of them."""

    models: Sequence[Declared]
    of_installation: bool


async def find_caller(
    request: Request, given: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer_scheme)] = None
) -> Token | BaseUser:
    """The caller: a scraper by its token, else a person by Airflow's.

    Raises:
        HTTPException: 401: nobody known; 403: a token that is good for something else.
    """
    if given is not None and given.credentials.startswith(PREFIX):
        return _token(Home(), given.credentials)
    return await get_user(request, None, given)


def reader_of(caller: Token | BaseUser, home: Home) -> Reader:
    """What a caller may see. It reads declarations, so it is not for the event loop."""
    if isinstance(caller, Token):
        declared = access.DECLARATIONS.load(home.models).declared
        mine = tuple(model for model in declared if caller.is_for(model.name, "metrics"))
        return Reader(mine, EVERY_MODEL in caller.models)
    return Reader(access.readable_declared(caller, home), access.may_read(caller, "check_config"))


def _token(home: Home, text: str) -> Token:
    token = _tokens(home.serving).owner(text, datetime.now(UTC))
    if token is None:
        raise HTTPException(401, "Expected a token that is good: almanac token create NAME --scope metrics.")
    if token.scope != "metrics":
        raise HTTPException(403, f"Token {token.name!r} is good for {token.scope}; create one with --scope metrics.")
    return token


@cache
def _tokens(folder: Path) -> Tokens:
    return Tokens(folder)
