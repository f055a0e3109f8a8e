"""What makes an ONNX graph of XGBoost's trees: the converter of onnxmltools, where the extra `xgboost` is installed."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def register_xgboost() -> None:
    """Make the converter known to skl2onnx; done again it changes nothing."""
    from onnxmltools.convert.xgboost.operator_converters.XGBoost import convert_xgboost
    from skl2onnx import update_registered_converter
    from skl2onnx.common.shape_calculator import (
        calculate_linear_classifier_output_shapes,
        calculate_linear_regressor_output_shapes,
    )
    from xgboost import XGBClassifier, XGBRegressor

    update_registered_converter(
        XGBClassifier,
        "XGBoostXGBClassifier",
        calculate_linear_classifier_output_shapes,
        convert_xgboost,
        options={"nocl": [True, False], "zipmap": [True, False, "columns"]},
    )
    update_registered_converter(
        XGBRegressor, "XGBoostXGBRegressor", calculate_linear_regressor_output_shapes, convert_xgboost
    )


def xgboost_splits(estimator: Any) -> "NDArray[np.float64]":
    """Column and threshold of each split, [m, 2]; XGBoost's are float32."""
    import numpy as np

    booster = estimator.get_booster()
    nodes = booster.trees_to_dataframe()
    nodes = nodes[nodes["Feature"] != "Leaf"]
    columns = nodes["Feature"].str.removeprefix("f").astype(np.int64)  # fitted on arrays: f0, f1, ...
    return np.column_stack([columns, nodes["Split"]]).astype(np.float64)
