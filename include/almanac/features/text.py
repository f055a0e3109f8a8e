"""Words and runs of characters of a text as columns: hashed, so that there is nothing to fit and no list of words.

The number of columns is declared. So a word that nobody has used before has its place, and a model that is continued
row by row sees it from the first mail on.
"""

from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING

from almanac.config.sections.features import TextFeature
from almanac.features.split_groups import text_bits

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    from numpy.typing import NDArray

MAX_CHARACTERS = 20_000
"""Of one text; what comes after them is not read."""

_CHARACTERS_AT_ONCE = 2_000_000
_WORD = r"\w+"


def fill_text(feature: TextFeature, texts: "pl.Series", into: "NDArray[np.float32]") -> None:
    """Write the columns of a text feature: how often the grams of each place occur, each row of length 1.

    A row depends on its own text alone, to the last bit: the counts are whole numbers, and their squares are summed
    exactly. Without a text, or without a word in it, all columns are 0.

    Args:
        feature: how texts are taken apart.
        texts: of the rows, [n].
        into: float32 [n, feature.hash], is overwritten.
    """
    import numpy as np

    into[:] = 0
    for start, part in _stretches(texts):
        found = _grams(feature, part)
        places = (text_bits(found["gram"]) % feature.hash).to_numpy().astype(np.intp)
        flat = found["row"].to_numpy().astype(np.intp) * feature.hash + places
        cells, counts = np.unique(flat, return_counts=True)
        rows = cells // feature.hash
        lengths = np.sqrt(np.bincount(rows, counts.astype(np.float64) ** 2, part.len()))
        into[start + rows, cells % feature.hash] = counts / lengths[rows]


def _stretches(texts: "pl.Series") -> Iterator[tuple[int, "pl.Series"]]:
    """The texts in parts of about two million characters, each with the number of its first row: grams need room."""
    import numpy as np

    sizes = texts.str.len_chars().fill_null(0).clip(upper_bound=MAX_CHARACTERS).to_numpy()
    part = np.cumsum(sizes) // _CHARACTERS_AT_ONCE
    edges = [0, *(np.flatnonzero(np.diff(part)) + 1).tolist(), texts.len()]
    for start, end in pairwise(edges):
        if end > start:
            yield start, texts[start:end]


def _grams(feature: TextFeature, texts: "pl.Series") -> "pl.DataFrame":
    """Each gram of each text: `row` and `gram`."""
    import polars as pl

    plain = pl.col("text").str.slice(0, MAX_CHARACTERS).str.normalize("NFKC").str.to_lowercase()
    by_word = feature.by == "word"
    taken_apart = (
        plain.str.extract_all(_WORD) if by_word else plain.str.replace_all(r"\s+", " ").str.extract_all(r"(?s).")
    )
    tokens = (
        texts.alias("text")
        .to_frame()
        .select(pl.int_range(pl.len(), dtype=pl.Int64).alias("row"), taken_apart.alias("token"))
        .explode("token")
        .drop_nulls()
    )
    low, high = feature.ngrams
    parts = []
    for size in range(low, high + 1):
        following = [pl.col("token").shift(-step) for step in range(size)]
        whole = pl.col("row").shift(1 - size) == pl.col("row")
        gram = pl.concat_str(following, separator=" " if by_word else "").alias("gram")
        parts.append(tokens.select("row", gram, whole.alias("whole")).filter("whole").select("row", "gram"))
    return pl.concat(parts)
