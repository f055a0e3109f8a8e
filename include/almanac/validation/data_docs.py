"""Great Expectations' Data Docs of one batch, made from the result that was kept: nothing is validated again.

Run as a program it reads the result from standard input and writes the page to standard output. So does `render_apart`:
Great Expectations takes seconds and 300 MB to import, which a web server should not keep for a page that few ask for.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from almanac.config.repository import ROOT, python_path
from almanac.errors import DataError, TransientError

_TIMEOUT_S = 120
_ELSEWHERE = re.compile(
    r"<script\b.*?</script\s*>|<footer\b.*?</footer\s*>|<link\b[^>]*>|<img\b[^>]*>", re.DOTALL | re.IGNORECASE
)
# Texts of the file stand in the page: whatever they are, nothing of it is run or fetched.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
_STYLE = Path(__file__).with_name("data_docs.css")


def render_data_docs(document: dict[str, Any]) -> str:
    """Render the page; it needs nothing from elsewhere.

    Args:
        document: a suite's result as JSON gave it back. (As it was in memory it would lose numpy's numbers.)

    Raises:
        DataError: it is no suite's result.
    """
    if not isinstance(document, dict) or "results" not in document:
        raise DataError(f"Data Docs: not the result of a suite; got {str(document)[:100]!r}; ingest the batch again")
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    from great_expectations.core.expectation_validation_result import (
        ExpectationSuiteValidationResult,
        ExpectationSuiteValidationResultSchema,
    )
    from great_expectations.render.renderer import ValidationResultsPageRenderer
    from great_expectations.render.view import DefaultJinjaPageView
    from marshmallow import ValidationError

    try:
        loaded = ExpectationSuiteValidationResultSchema().load(document)
        result = loaded if isinstance(loaded, ExpectationSuiteValidationResult) else _result(loaded)
    except (ValidationError, TypeError, KeyError) as error:
        raise DataError(f"Data Docs: not the result of a suite: {error}; ingest the batch again") from error
    page = DefaultJinjaPageView().render(ValidationResultsPageRenderer().render(result))
    return _self_contained(str(page))


def _result(values: Any) -> Any:
    from great_expectations.core.expectation_validation_result import ExpectationSuiteValidationResult

    return ExpectationSuiteValidationResult(**values)


def render_apart(document: bytes) -> bytes:
    """The same in a process of its own.

    Raises:
        DataError: it is no suite's result.
        TransientError: it took too long.
    """
    command = [sys.executable, "-m", "almanac.validation.data_docs"]
    path = python_path(os.environ.get("PYTHONPATH", ""))
    environment = {**os.environ, "PYTHONPATH": path, "PYTHONWARNINGS": "ignore"}
    try:
        done = subprocess.run(
            command,
            input=document,
            capture_output=True,
            check=False,
            cwd=ROOT,
            env=environment,
            timeout=_TIMEOUT_S,
        )
    except subprocess.TimeoutExpired as error:
        raise TransientError(f"Data Docs: not rendered within {_TIMEOUT_S} s; try again") from error
    if done.returncode:
        lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise DataError(f"Data Docs: could not be rendered: {lines[-1] if lines else f'exit code {done.returncode}'}")
    return done.stdout


def _self_contained(page: str) -> str:
    """Without scripts, and with our styles for those that would come from a network."""
    style = _STYLE.read_text("utf-8")
    head = f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n<style>\n{style}</style>\n</head>'
    return _ELSEWHERE.sub("", page).replace("</head>", head, 1)


if __name__ == "__main__":
    sys.stdout.write(render_data_docs(json.load(sys.stdin)))
