"""What a store says: on one line, and without a secret."""

import pytest

from almanac.storage.errors import describe


def test_describe_leaves_colours_and_debugging_out() -> None:
    error = OSError("\x1b[31m↳\x1b[0m Kernel error ->\n   refused.\n\nDebug source:\nGeneric {}")
    assert describe(error) == "OSError: Kernel error -> refused"


@pytest.mark.parametrize(
    "name", ["AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AZURE_STORAGE_ACCOUNT_KEY", "AZURE_CLIENT_SECRET"]
)
def test_describe_never_says_a_secret(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "hush-hush")
    assert describe(ValueError("cannot decode 'hush-hush'")) == "ValueError: cannot decode '***'"


@pytest.mark.parametrize("name", ["AWS_ACCESS_KEY_ID", "AWS_REGION", "AWS_WEB_IDENTITY_TOKEN_FILE"])
def test_describe_says_what_is_no_secret(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "plain")
    assert describe(ValueError("not found: plain")) == "ValueError: not found: plain"
