"""Whether a model's declaration or the code that makes it has changed since its champion was trained."""

from almanac.config.schema import Model
from almanac.registry.records import Tag
from almanac.registry.store import Registry
from almanac.training.fingerprint import code_sha256, declaration_sha256


def find_change(model: Model, registry: Registry) -> str:
    """What has changed, in words; empty: nothing has, or there is no champion to compare with.

    Raises:
        TransientError: MLflow is not available.
    """
    champion = registry.champion(model.name)
    if champion is None:
        return ""
    now = {
        "the model's declaration": (Tag.DECLARATION_SHA256, declaration_sha256(model)),
        "the code of features or training": (Tag.CODE_SHA256, code_sha256()),
    }
    known = {what: (champion.tags.get(tag), digest) for what, (tag, digest) in now.items()}
    changed = [what for what, (then, digest) in known.items() if then is not None and then != digest]
    if not changed:
        return ""
    return f"{' and '.join(changed)} changed since version {champion.version} was trained"
