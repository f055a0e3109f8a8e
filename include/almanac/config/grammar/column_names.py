"""Which names a declared column may have: others belong to us, or mean something to a library that reads them."""

OWN_NAMES = frozenset(
    {
        "_row",
        "_batch",
        "_month",
        "_rules",
        "_same",
        "_hash",
        "_held",
        "_held_row",
        "_equal",
        "_stale",
        "_newer",
        "_found",
        "_good",
        "_clash",
        "_order",
        "_start",
    }
)
"""Columns of ours that stand beside the declared ones."""
OWN_SUFFIXES = (".unparsed", ".given", ".mark", ".published")
"""Ends of the names of our helper columns, which begin with a declared name."""
PREDICTION_NAMES = frozenset(
    {
        "id",
        "time",
        "probability",
        "label",
        "prediction",
        "missing",
        "features_hash",
        "latency_us",
        "model_version",
        "dataset_version",
        "scored_at",
        "_window",
        "_day",
        "_content",
    }
)
"""Columns of the predictions, where the columns of a key stand beside them."""
_MAX_LENGTH = 120


def problem_of_name(name: str) -> str:
    """Why a column cannot have this name, as the end of a sentence; empty: it can."""
    if not name or name != name.strip():
        return "is empty, or begins or ends with a space"
    if len(name) > _MAX_LENGTH:
        return f"is longer than {_MAX_LENGTH} characters"
    if name in OWN_NAMES or name.endswith(OWN_SUFFIXES):
        return "is reserved for a column that Almanac adds"
    if name == "*" or (name.startswith("^") and name.endswith("$")):
        return "is a pattern for several columns in polars"
    if not name.isprintable():
        return "contains invisible characters"
    return ""
