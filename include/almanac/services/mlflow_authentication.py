"""How MLflow's server asks who is there: by its own basic authentication, but wrong logins are slowed down.

`authorization_function` of mlflow_auth.ini names it: MLflow calls it for each request that needs a login.
"""

from collections.abc import Callable
from math import ceil

from flask import Response, after_this_request, request
from werkzeug.datastructures import Authorization

from almanac.services.login_delays import LoginDelays

# MLflow itself sends X-Frame-Options and nosniff.
HEADERS = {
    "Content-Security-Policy": "frame-ancestors 'self'; object-src 'none'",
    "Referrer-Policy": "same-origin",
}
_delays = LoginDelays()


def authenticate() -> Authorization | Response:
    """Who is there; or the answer to anyone who is nobody, or must wait."""
    from mlflow.server import auth

    ask: Callable[[], Authorization | Response] = auth.authenticate_request_basic_auth
    after_this_request(_with_headers)
    login = request.authorization
    if login is None or not login.username:
        return ask()
    user, address = login.username, request.remote_addr or ""
    if wait_s := ceil(_delays.wait_s(user, address)):
        text = f"Too many wrong logins; try again in {wait_s} s."
        return Response(text, 429, {"Retry-After": str(wait_s)}, mimetype="text/plain")
    found = ask()
    if isinstance(found, Response):
        _delays.failed(user, address)
    else:
        _delays.succeeded(user, address)
    return found


def _with_headers(response: Response) -> Response:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    return response
