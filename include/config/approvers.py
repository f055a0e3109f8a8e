"""Who may decide for a model: those that it names, else those that the installation names for all."""

from include.config.home import Home
from include.config.loader import load_installation
from include.config.promotion import Approval
from include.config.schema import Model


def approval_of(model: Model, home: Home) -> Approval:
    """The declaration that holds for a model, read anew: whoever decides must not rely on what a page showed.

    Raises:
        ConfigError: `_installation.yaml` is broken, so that nobody knows who may decide.
    """
    return model.approval.within(load_installation(home.models).approval)
