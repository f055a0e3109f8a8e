"""Who may decide for a model: those that it names, else those that the installation names for all."""

from almanac.config.files.loader import load_installation
from almanac.config.home import Home
from almanac.config.schema import Model
from almanac.config.sections.promotion import Approval


def approval_of(model: Model, home: Home) -> Approval:
    """The declaration of a model, read again: a decision must not rely on what a page showed.

    Raises:
        ConfigError: `_installation.yaml` is invalid, so that the approvers are unknown.
    """
    return model.approval.within(load_installation(home.models).approval)
