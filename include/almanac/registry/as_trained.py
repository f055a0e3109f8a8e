"""A declaration as a version reads it: with the own features, and the code of them, that the version was trained with.

The graph's metadata say which. So a team that changes its function goes on with the champion until the next one has
won, and the gates can measure both on the same rows.
"""

from pydantic import ValidationError

from almanac.config.own_code import is_known
from almanac.config.schema import Model
from almanac.config.sections.own_features import OwnFeatures
from almanac.features.own import own_of
from almanac.registry.onnx_model import OWN_KEY, OnnxModel


def as_trained(model: Model, graph: OnnxModel) -> Model:
    """The model with the own features of the graph in place of today's.

    Unchanged where they are today's, where there are none today, where no file of the models' folder is that code, or
    where what they read is no longer declared: then the graph refuses what is made for it (`OnnxModel.arrange`).

    Args:
        model: of today.
        graph: of one of its versions.
    """
    today = own_of(model)
    if today is None:
        return model
    try:
        own = OwnFeatures.model_validate_json(graph.metadata[OWN_KEY]) if OWN_KEY in graph.metadata else None
        if own == today or (own is not None and (own.sha256 != graph.code or not is_known(own.sha256))):
            return model
        others = [one for one in model.features if not isinstance(one, OwnFeatures)]
        features = [one.model_dump(mode="json") for one in (*others, *([] if own is None else [own]))]
        return Model.model_validate({**model.model_dump(mode="json"), "features": features})
    except ValidationError:
        return model
