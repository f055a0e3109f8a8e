"""What others write is shown cut and cleaned, wherever it is shown."""

import subprocess
import sys
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from almanac.alerts.message import Message
from almanac.cli.terminal import CleanStream
from almanac.config.repository import ROOT
from almanac.data.formats.header import check_header
from almanac.display import MAX_ERROR, MAX_LINES, MAX_REASON, clean, join_names, shorten, shorten_lines, show
from almanac.errors import DataError, RegistryError
from almanac.journal.records import BatchRecord, Decision, DecisionKind
from almanac.registry.errors import mlflow_errors
from almanac.reporting.templates import environment
from tests.data.installation import NOW, RUN, tiny_dataset

HOSTILE = "\x1b[2J\x1b]0;owned\x07 \u202egnp.exe \r\x00\x9b31m \ud800"
TEXTS = st.text(st.characters(), max_size=300) | st.text(st.sampled_from(HOSTILE + "ab\n\t"), max_size=3000)
BIDI = ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")


def is_safe(text: str) -> bool:
    return all(
        letter in "\n\t"
        or not (
            unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp")
            or unicodedata.bidirectional(letter) in BIDI
            or letter in "\u200e\u200f\u061c"
        )
        for letter in text
    )


@settings(deadline=None)
@given(TEXTS, st.integers(0, 400))
def test_shorten_gives_a_safe_text_of_at_most_the_limit_and_again_the_same(text: str, limit: int) -> None:
    shown = shorten(text, limit)
    assert len(shown) <= limit
    assert is_safe(shown)
    assert shorten(shown, limit) == shown
    shown.encode()


@settings(deadline=None)
@given(TEXTS)
def test_clean_changes_nothing_that_is_safe(text: str) -> None:
    assert is_safe(clean(text))
    if is_safe(text):
        assert clean(text) == text


@settings(deadline=None)
@given(st.recursive(TEXTS | st.integers() | st.none(), lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner)))
def test_show_of_any_value_is_short_and_safe(value: object) -> None:
    shown = show(value)
    assert len(shown) < 600
    assert is_safe(shown)


def test_show_of_a_number_of_too_many_digits_says_so() -> None:
    assert show(10**5000) == "a number of more than 60 digits"


def test_shorten_says_how_long_the_text_was() -> None:
    assert shorten("x" * 98_842, 60).endswith("x... (98,842 characters in all)")


def test_join_names_of_200_000_columns_names_ten() -> None:
    names = [f"column_{number}" for number in range(200_000)]
    assert join_names(names).endswith("'column_9' and 199,990 more")


@settings(deadline=None)
@given(st.lists(TEXTS, max_size=2 * MAX_LINES))
def test_shorten_lines_is_bounded_and_again_the_same(lines: list[str]) -> None:
    shown = shorten_lines(lines)
    assert len(shown) == min(len(lines), MAX_LINES)
    assert shorten_lines(shown) == shown


@pytest.mark.parametrize("reject", [False, True])
def test_header_of_200_000_columns_gives_short_reasons(reject: bool) -> None:
    names = [f"{number}{HOSTILE}" for number in range(200_000)]
    dataset = tiny_dataset(on_unexpected_column="reject" if reject else "drop")
    if reject:
        with pytest.raises(DataError) as raised:
            check_header([*dataset.columns, *names], "a.csv", dataset)
        message = (str(raised.value),)
    else:
        message = batch(warnings=tuple(check_header([*dataset.columns, *names], "a.csv", dataset))).warnings
        assert message[-1] == f"and {200_000 - MAX_LINES + 1:,} more"
    assert sum(map(len, message)) < 20_000
    assert all(map(is_safe, message))


def test_header_without_the_declared_columns_gives_a_short_reason() -> None:
    with pytest.raises(DataError, match=r"required column missing.* and 199,990 more\]") as raised:
        check_header([f"c{number}" for number in range(200_000)], "a.csv", tiny_dataset())
    assert len(str(raised.value)) < 1_000


def test_records_cut_their_reasons() -> None:
    decision = Decision("m", DecisionKind.EVENT, False, ("x" * 10**7, HOSTILE), NOW, RUN)
    assert (len(decision.reasons[0]), len(batch(reasons=("y" * 10**7,)).reasons[0])) == (MAX_REASON, MAX_REASON)
    assert is_safe(decision.reasons[1])


def test_error_is_shown_cut_and_clean() -> None:
    message = str(DataError(f"{HOSTILE}{'x' * 10**6}"))
    assert len(message) == MAX_ERROR
    assert is_safe(message)


def test_answer_of_mlflow_reaches_no_terminal_as_it_is() -> None:
    from mlflow.exceptions import RestException

    answer = {"error_code": "INVALID_PARAMETER_VALUE", "message": HOSTILE}
    with pytest.raises(RegistryError) as raised, mlflow_errors("here"):
        raise RestException(answer)
    assert is_safe(str(raised.value))


def test_alert_is_cut_and_clean() -> None:
    message = Message("info", HOSTILE, "x" * 10**6, HOSTILE, "m", "d", "r", "t", 1, "", "")
    assert is_safe(message.text)
    assert len(message.text) < 2 * MAX_ERROR


def test_page_writes_texts_cut_and_clean_and_our_own_markup_whole() -> None:
    markup = environment().from_string("{{ text }}|{{ text|safe }}")
    cut, whole = markup.render(text="<" * 20_000).split("|")
    assert len(cut) <= MAX_ERROR * len("&lt;")
    assert len(whole) == 20_000
    assert is_safe(environment().from_string("{{ text }}").render(text=HOSTILE))


def test_clean_stream_makes_all_visible_but_colors(capsys: pytest.CaptureFixture[str]) -> None:
    print(f"\x1b[1;31mred\x1b[0m {HOSTILE}", file=CleanStream(sys.stdout))
    output = capsys.readouterr().out
    assert output.startswith("\x1b[1;31mred\x1b[0m ")
    assert is_safe(output.removeprefix("\x1b[1;31mred\x1b[0m"))


def test_command_line_prints_an_error_clean() -> None:
    name = "no\x1b]0;owned\x07"
    done = subprocess.run(
        [sys.executable, "-m", "almanac.cli", name], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert done.returncode != 0
    assert is_safe(done.stdout + done.stderr)
    assert "owned" in done.stdout + done.stderr


def batch(**texts: tuple[str, ...]) -> BatchRecord:
    from almanac.journal.records import BatchState

    return BatchRecord("m", "0" * 64, "u", 1, NOW, BatchState.REJECTED, 0, 0, 0, 0, NOW, RUN, **texts)
