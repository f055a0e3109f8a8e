"""A training program without a framework: a logistic regression by gradient descent, with checkpoints. It can continue.

It follows docs/training-programs.md, and needs numpy, polars and onnx, which Almanac has. Copy it, and replace the
middle by what you train.
"""

import json
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import onnx
import polars as pl
from onnx import TensorProto, helper, numpy_helper


def main(folder: Path) -> None:
    """Train on `rows.parquet` as `spec.json` says; leave `model.onnx` and `native/`."""
    spec = json.loads((folder / "spec.json").read_text())
    rows = pl.read_parquet(folder / "rows.parquet")
    values = rows.select(spec["features"]).to_numpy()
    labels = rows[spec["label_column"]].to_numpy()
    if previous := spec["previous"]:  # the champion's weights mean its own middle and scale
        before = np.load(folder / previous["folder"] / "native" / "weights.npz")
        middle, scale = before["middle"], before["scale"]
        print(f"continues version {previous['version']} on {len(rows)} more rows")
    else:
        middle = np.nan_to_num(np.nanmean(values, axis=0))  # an unknown value is NaN
        scale = np.nan_to_num(np.nanstd(values, axis=0), nan=1.0)
        scale[scale == 0] = 1.0
    values = np.where(np.isnan(values), 0.0, (values - middle) / scale)
    held_back = max(len(values) // 10, 1)  # the newest rows measure and do not teach
    classes = len(spec["classes"]) or 2
    wanted = np.eye(classes)[labels]
    weights, done = before["weights"] if previous else np.zeros((values.shape[1] + 1, classes)), 0
    if checkpoint := to_restore(spec):  # a killed training goes on, and one that diverged
        weights, done = np.load(checkpoint)["weights"], int(checkpoint.stem[-5:])
        print(f"goes on after epoch {done}")
    best, best_loss, best_epoch = weights.copy(), np.inf, done
    declared = (spec["learning"] or {}).get("checkpoints") or {"every": 10, "keep": 3}
    inputs = np.column_stack([values, np.ones(len(values))])
    rate = spec["params"].get("learning_rate", 0.5) * spec["learning_rate_factor"]
    asked = []
    signal.signal(signal.SIGTERM, lambda *_: asked.append(True))  # a rule ends it: the graph is still wanted
    with (folder / "history.jsonl").open("a") as history:
        for epoch in range(done, spec["params"].get("epochs", 30)):
            seen, truth = inputs[:-held_back], wanted[:-held_back]
            weights -= rate * seen.T @ (softmax(seen @ weights) - truth) / len(seen)
            line = {
                "epoch": epoch + 1,
                "loss": loss(softmax(seen @ weights), truth),
                "validation_loss": loss(softmax(inputs[-held_back:] @ weights), wanted[-held_back:]),
                "learning_rate": rate,
            }
            if line["validation_loss"] < best_loss:
                best, best_loss, best_epoch = weights.copy(), line["validation_loss"], epoch + 1
            print(json.dumps(line), file=history, flush=True)
            if (epoch + 1) % declared["every"] == 0:
                save(spec, epoch + 1, weights, declared["keep"])
            if asked:  # the best is there to be restored
                save(spec, best_epoch, best, declared["keep"])
                break
    weights = best
    np.savez(folder / "native" / "weights.npz", middle=middle, scale=scale, weights=weights)
    onnx.save(graph(middle, scale, weights), folder / "model.onnx")


def to_restore(spec: dict) -> Path | None:
    """The newest checkpoint; after learning diverged that of the best epoch."""
    saved = sorted(Path(spec["checkpoints"]).glob("*.npz"))
    if spec["restarts"]:
        saved = [one for one in saved if int(one.stem[-5:]) == spec["best_epoch"]]
    return saved[-1] if saved else None


def save(spec: dict, epoch: int, weights: np.ndarray, keep: int) -> None:
    """A checkpoint named by time and epoch, whole or not at all; the oldest beyond `keep` are removed."""
    folder = Path(spec["checkpoints"])
    path = folder / f"{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}-e{epoch:05}.npz"
    with path.with_suffix(".part").open("wb") as file:
        np.savez(file, weights=weights)
    path.with_suffix(".part").rename(path)
    for old in sorted(folder.glob("*.npz"))[:-keep]:
        old.unlink()


def softmax(values: np.ndarray) -> np.ndarray:
    """Probabilities by row."""
    powers = np.exp(values - values.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def loss(predicted: np.ndarray, wanted: np.ndarray) -> float:
    """The mean log loss."""
    return float(-np.log(np.clip((predicted * wanted).sum(axis=1), 1e-7, 1)).mean())


def graph(middle: np.ndarray, scale: np.ndarray, weights: np.ndarray) -> onnx.ModelProto:
    """`features` [n, k] in, `probabilities` [n, classes] out, for any n."""
    constants = {"middle": middle, "scale": scale, "weights": weights[:-1], "bias": weights[-1]}
    nodes = [
        helper.make_node("IsNaN", ["features"], ["unknown"]),
        helper.make_node("Where", ["unknown", "middle", "features"], ["known"]),
        helper.make_node("Sub", ["known", "middle"], ["moved"]),
        helper.make_node("Div", ["moved", "scale"], ["scaled"]),
        helper.make_node("MatMul", ["scaled", "weights"], ["product"]),
        helper.make_node("Add", ["product", "bias"], ["sums"]),
        helper.make_node("Softmax", ["sums"], ["probabilities"], axis=1),
    ]
    made = helper.make_graph(
        nodes,
        "logistic",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["rows", len(middle)])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["rows", weights.shape[1]])],
        [numpy_helper.from_array(one.astype(np.float32), name) for name, one in constants.items()],
    )
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
