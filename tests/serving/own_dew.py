"""The function of a team, as it would lie in the models' folder."""

import polars as pl


def features(rows: pl.DataFrame) -> pl.DataFrame:
    temperature = pl.col("Temperature_C")
    return rows.select(
        dew=temperature - (1 - pl.col("Humidity")) * 20,
        warming=temperature - temperature.shift(1),
    )
