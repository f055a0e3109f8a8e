"""A page as an answer: HTML, or JSON for who asks for it (`Accept: application/json`)."""

import json
from typing import Any

from fastapi.responses import HTMLResponse, Response

from almanac.pages.page import RenderedPage
from almanac.reporting.templates import NAVIGATION

# Nothing is run, nothing is fetched from elsewhere, and only Airflow itself may frame a page.
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'self';"
    " base-uri 'none'; frame-ancestors 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "private, no-store",
    "Vary": "Accept",
}


class PageResponse(HTMLResponse):
    """A page in the form that the request prefers; a browser names HTML, so it gets HTML."""

    def __init__(self, page: str, status: int = 200) -> None:
        self._page = page
        super().__init__(page.replace(NAVIGATION, "", 1), status, headers=HEADERS)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Send it."""
        if not _wants_json(scope):
            await super().__call__(scope, receive, send)
            return
        data = self._page.to_json() if isinstance(self._page, RenderedPage) else {"html": self._page}
        text = json.dumps(data, ensure_ascii=False)
        await Response(text, self.status_code, HEADERS, "application/json")(scope, receive, send)


def _wants_json(scope: Any) -> bool:
    accepted = b",".join(value for name, value in scope["headers"] if name == b"accept").lower()
    return b"application/json" in accepted and b"text/html" not in accepted
