"""The baselines of each kind of label."""

from almanac.config.schema import Model
from almanac.training.backtest.backtest import LabelledRows
from almanac.training.backtest.baselines import BaselinePredictions, predict_baselines
from almanac.training.backtest.class_baselines import predict_class_baselines
from almanac.training.backtest.number_baselines import predict_number_baselines


def baselines_of_kind(model: Model, train: LabelledRows, test: LabelledRows) -> BaselinePredictions:
    """Fit the baselines of the model's kind of label on `train`, and predict `test` with them.

    Raises:
        DataError: the training rows have one label only, or no column has two different values.
    """
    match model.label.kind.name:
        case "number":
            return predict_number_baselines(train, test)
        case "classes":
            return predict_class_baselines(train, test, model.label.classes or ())
        case "yes_no":
            return predict_baselines(train, test, model.gates.baselines.metric)
