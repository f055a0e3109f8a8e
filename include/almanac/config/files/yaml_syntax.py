"""What makes a text no YAML, for the person who wrote it: line, column, what is wrong, what was expected."""

import yaml

from almanac.display import MAX_NAME, shorten

_PLAIN = ("str", "int", "float", "bool", "null", "timestamp")
TAGS = frozenset(("!", *(f"tag:yaml.org,2002:{name}" for name in _PLAIN)))
_KEYS = "lines of `key: value`, lists of `- item` or `[a, b]`, and spaces for indentation"
_INDENT = "spaces for indentation, the same number for all keys of a section"
# By what the parser says. It knows what it read last, and not what a person meant.
_EXPECTED = (
    ("mapping values are not allowed", f"one `key: value` per line, a value with `: ` in it in quotes, and {_INDENT}"),
    ("expected ',' or ']'", "a comma between two items of the list, and `]` at its end"),
    ("expected ',' or '}'", "a comma between two keys of the section, and `}` at its end"),
    ("unexpected end of stream", "a closing quote"),
    ("document indicator", "a closing quote"),
    ("block sequence entries", "the first `- ` of a list on the line below its key"),
    ("cannot start any token", "quotes around a value that begins with @, ` or %, and spaces for indentation, no tabs"),
    ("tab character", "spaces instead of tabs for indentation"),
    ("expected '-' indicator", "each item of the list with `- ` in the same column, and no key among them"),
    ("expected key", f"a key in the same column as the others; nothing behind a closing quote or bracket; {_INDENT}"),
    ("unknown escape character", "single quotes, in which a backslash is literal, or two backslashes in double quotes"),
    ("hexdecimal", "hexadecimal digits behind \\x, \\u or \\U, or single quotes, in which a backslash is one"),
    ("could not determine a constructor", "a plain value: no tag such as !x, no key or value `<<` alone"),
    ("another document", "one document: no line `---` after its beginning"),
    ("<document start>", "nothing behind the end: remove a closing bracket"),
    ("control characters", "text without control characters"),
    ("incompatible YAML", "YAML 1.1: remove the line %YAML"),
    ("directive", "no line that begins with %"),
    ("comment or line break", "the text of `>` or `|` on the next line, indented"),
    ("node content", "a value, or a closing bracket"),
    ("undefined alias", "the anchor `&name` above its alias `*name`, or the value in quotes"),
    ("alphabetic or numeric character", "a name of letters and digits behind & or *, or the value in quotes"),
    ("key given twice", "each key once"),
    ("as a key", "a word as the key"),
    ("simple key", "a colon behind the key, on the same line"),
    ("second occurrence", "each anchor `&name` once"),
    ("month must be", "a valid date, or quotes around a text that looks like one"),
    ("day is out of range", "a valid date, or quotes around a text that looks like one"),
    ("must be in", "a valid time, or quotes around a text that looks like one"),
    ("integer string conversion", "a number of fewer digits, or quotes around it"),
    ("but found", "a value of its tag's type, or no tag"),
    (" is no ", "a value of its tag's type, or no tag"),
)


def describe_syntax(error: Exception, raw: bytes) -> str:
    """Where a text stops to be YAML, why, and what was expected, on one line.

    Args:
        error: of PyYAML, or of the decoding of UTF-8.
        raw: the text's bytes.
    """
    if isinstance(error, UnicodeDecodeError):
        line, column = _position(raw[: error.start].decode("utf-8", errors="replace"))
        return (
            f"line {line}, column {column}: not UTF-8, got byte 0x{raw[error.start]:02x}; expected a file saved as"
            " UTF-8"
        )
    if isinstance(error, yaml.reader.ReaderError):
        line, column = _position(raw.decode("utf-8", errors="replace")[: error.position])
        return f"line {line}, column {column}: {error.reason}; expected {_expected(str(error.reason))}"
    problem, mark = str(error), None
    began = ""
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        problem = error.problem or error.context or ""
        if error.context and error.context_mark and mark and error.context_mark.line != mark.line:
            began = f" ({error.context} that begins on line {error.context_mark.line + 1})"
    place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
    return f"{place}{shorten(' '.join(problem.split()), 5 * MAX_NAME)}{began}; expected {_expected(problem)}"


def _expected(problem: str) -> str:
    return next((expected for text, expected in _EXPECTED if text in problem), _KEYS)


def _position(before: str) -> tuple[int, int]:
    """Line and column of what stands behind a text."""
    return before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1
