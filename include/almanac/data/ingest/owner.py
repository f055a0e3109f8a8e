"""Files land for the model whose dataset it is, and for no other one that shares it."""

from almanac.config.schema import Declared
from almanac.errors import ConfigError


def require_owner(model: Declared) -> None:
    """Refuse what only the owner of a dataset may do: ingest, fetch, readmit.

    Raises:
        ConfigError: the model shares the dataset of another one.
    """
    if not model.is_owner:
        owner = model.dataset_owner
        raise ConfigError(
            f"{model.name}: has no dataset of its own, it shares that of {owner}: files land, and rows are readmitted,"
            f" for {owner} alone. Use {owner} in its place"
        )
