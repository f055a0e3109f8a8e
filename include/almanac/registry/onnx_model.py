"""The served model: one ONNX graph in onnxruntime. Needs neither scikit-learn nor MLflow."""

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from almanac.errors import DataError, IntegrityError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from almanac.features.features import FeatureMatrix

INPUT = "features"
LABELS, PROBABILITIES = "label", "probabilities"
NUMBERS = "prediction"
FEATURES_KEY = "almanac.features"
THRESHOLD_KEY = "almanac.threshold"
CLASSES_KEY = "almanac.classes"
CODE_KEY = "almanac.features_sha256"
OWN_KEY = "almanac.own_features"


class OnnxModel:
    """One graph: float32 `features` [n, k] in, labels [n] and probabilities [n, 2] out, or a number for each row.

    Of a label with c classes the graph's label is the position of the likeliest one, and the probabilities are [n, c].

    Attributes:
        features: names of the k features, in the order of the graph's input.
        metadata: the graph's metadata, from its export.
        threshold: the probability from which on the label is 1.
        is_number: whether it predicts a number.
        classes: the names of several classes, in the order of the probabilities; empty: the label is of another kind.

    Raises:
        IntegrityError: the bytes are not such a graph.
    """

    def __init__(self, onnx: bytes) -> None:
        import onnxruntime as ort

        options = ort.SessionOptions()
        options.intra_op_num_threads = 1  # two threads are slower than one for graphs of this size
        options.inter_op_num_threads = 1
        try:
            self._session = ort.InferenceSession(onnx, options, providers=["CPUExecutionProvider"])
            self.metadata: Mapping[str, str] = dict(self._session.get_modelmeta().custom_metadata_map)
            self.features: tuple[str, ...] = tuple(json.loads(self.metadata[FEATURES_KEY]))
            self.threshold = float(self.metadata.get(THRESHOLD_KEY, 0.5))
            self.is_number = [node.name for node in self._session.get_outputs()] == [NUMBERS]
            self.classes: tuple[str, ...] = tuple(json.loads(self.metadata.get(CLASSES_KEY, "[]")))
            inputs = [(node.name, node.type, node.shape[-1]) for node in self._session.get_inputs()]
        except Exception as error:  # onnxruntime has a dozen exceptions, which mean the same here
            raise IntegrityError(
                f"not a graph of an Almanac model ({len(onnx)} bytes): {error}. Restore the version from its backup"
            ) from error
        if inputs != [(INPUT, "tensor(float)", len(self.features))]:
            raise IntegrityError(
                f"inputs of the graph: got {inputs}, expected one float32 {INPUT!r} of width {len(self.features)}."
                " Restore the version from its backup"
            )

    @property
    def code(self) -> str:
        """The SHA-256 of the team's own code of features that it was trained with; empty: there was none."""
        return self.metadata.get(CODE_KEY, "")

    def predict(self, values: "NDArray[np.float32]") -> "NDArray[np.float64]":
        """The probability of the label 1, or the number, [n]; or the probability of each class, [n, c].

        Args:
            values: float32 [n, k], columns in the order of `features`; n may be 0.

        Raises:
            DataError: the width is not the graph's.
            IntegrityError: the graph fails, or its output has another shape.
        """
        import numpy as np

        if values.ndim != 2 or values.shape[1] != len(self.features):
            raise DataError(f"got {values.shape}, expected [n, {len(self.features)}]: {list(self.features)}")
        last = np.asarray(self.run(values)[-1])
        expected = (len(values), self.width)
        if last.shape != expected or last.dtype.kind != "f":
            raise IntegrityError(
                f"the graph returned {last.dtype} {last.shape}, expected floats {expected}. Do not serve it:"
                " restore the version from its backup, or train again"
            )
        predictions: NDArray[np.float64] = (last if self.classes else last[:, -1]).astype(np.float64)
        # float32 sums of votes can exceed 1 by a rounding error
        return predictions if self.is_number else np.minimum(np.maximum(predictions, 0.0), 1.0)

    @property
    def width(self) -> int:
        """The number of columns of its last output: probabilities, or one number."""
        return 1 if self.is_number else len(self.classes) or 2

    def run(self, values: "NDArray[np.float32]") -> tuple["NDArray[np.float32]", ...]:
        """The graph's own output: labels [n] and probabilities [n, 2] or [n, c]; or numbers [n, 1].

        Raises:
            IntegrityError: the graph fails.
        """
        import numpy as np

        batch = np.ascontiguousarray(values, dtype=np.float32)
        outputs = [NUMBERS] if self.is_number else [LABELS, PROBABILITIES]
        try:
            return tuple(self._session.run(outputs, {INPUT: batch}))
        except Exception as error:  # onnxruntime has a dozen exceptions, which mean the same here
            raise IntegrityError(
                f"the graph fails on {len(batch)} rows: {error}. Do not serve it: restore the version from its backup,"
                " or train again"
            ) from error

    def score(self, features: "FeatureMatrix", classes: Sequence[str] | None = ()) -> "NDArray[np.float64]":
        """The predictions for each row, see `predict`; columns are found by name.

        Args:
            features: of the rows.
            classes: those that the model declares, in its order; None: its label is of another kind. Probabilities
                come in this order: 0 for a class that the graph does not know, and given that it is none that only the
                graph knows. Empty: as the graph has them.

        Raises:
            DataError: the matrix lacks a feature of the graph, or only one of the two has classes.
        """
        import numpy as np

        predictions = self.predict(self.arrange(features))
        if classes == () or (not classes and not self.classes) or tuple(classes or ()) == self.classes:
            return predictions
        if not self.classes or not classes:
            raise DataError(
                f"the graph predicts the classes {list(self.classes)}, the model declares {list(classes or ())}: labels"
                " of different kinds cannot be compared. Train again"
            )
        arranged = np.zeros((len(predictions), len(classes)))
        for position, name in enumerate(classes):
            if name in self.classes:
                arranged[:, position] = predictions[:, self.classes.index(name)]
        left = arranged.sum(axis=1, keepdims=True)
        given: NDArray[np.float64] = np.where(left == 0, 1 / len(classes), arranged / np.where(left == 0, 1, left))
        return given

    def takes(self, features: "FeatureMatrix") -> bool:
        """Whether the matrix has all that it reads, made by the code that it was trained with."""
        return self.code == features.code and set(self.features) <= set(features.names)

    def arrange(self, features: "FeatureMatrix") -> "NDArray[np.float32]":
        """The columns of the graph's input, in its order, [n, k].

        Raises:
            DataError: the matrix lacks one, or other code of the team's own has made it.
        """
        if self.code != features.code:
            raise DataError(
                f"the graph was trained with own features of the SHA-256 {self.code or '(none)'}; got"
                f" {features.code or '(none)'}. Put that version's file beside the model's YAML, as <model>.<any"
                " word>.py, until no version that was trained with it is in use"
            )
        if self.features == features.names:
            return features.values
        places = {name: place for place, name in enumerate(features.names)}
        missing = [name for name in self.features if name not in places]
        if missing:
            raise DataError(f"features {missing} are missing; the model's YAML declares {list(features.names)}")
        return features.values[:, [places[name] for name in self.features]]


def predict_onnx(onnx: bytes, values: "NDArray[np.float32]") -> "NDArray[np.float64]":
    """The probability of the label 1, or the number, [n], by the graph's bytes; see `OnnxModel.predict`."""
    return OnnxModel(onnx).predict(values)
