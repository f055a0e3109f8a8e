"""A training program with Keras: a net over the features, or over a sequence that lag features are laid out as.

It follows docs/training-programs.md and runs in the environment `keras` (environments/keras.txt). Parameters: `kind`
(dense, conv, gru), `units`, `layers`, `dropout`, `epochs`, `batch`, `learning_rate`. For conv and gru the file
layout.json beside this one says which features are the steps of the sequence, the oldest first.
"""

import json
import os
import shutil
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path

os.environ["KERAS_BACKEND"] = "jax"

import jax.numpy as jnp
import keras
import numpy as np
import onnx
import onnxruntime
import polars as pl
from jax2onnx import to_onnx

BATCHES = (1, 2, 7, 64, 500)  # exporters are known to keep the size of the batch that they traced
WEIGHTS = "model.weights.h5"


def main(folder: Path) -> None:
    """Train on `rows.parquet` as `spec.json` says; leave `model.onnx`, `native/` and a picture of the losses."""
    spec = json.loads((folder / "spec.json").read_text())
    rows = pl.read_parquet(folder / "rows.parquet")
    values = rows.select(spec["features"]).to_numpy().astype("float32")
    labels = rows[spec["label_column"]].to_numpy()
    before = folder / spec["previous"]["folder"] / "native" if spec["previous"] else None
    scaling = json.loads((before / "scaling.json").read_text()) if before else measure(values, labels, spec["kind"])
    if spec["kind"] == "number":  # losses in units of the labels' variance
        labels = (labels - scaling["label_middle"]) / scaling["label_scale"]
    keras.utils.set_random_seed(spec["seed"])
    net = build(spec, layout_of(folder, spec))
    if before:
        net.load_weights(before / WEIGHTS)
        print(f"continues version {spec['previous']['version']} on {len(rows)} more rows")
    losses = fit(net, spec, scaled(values, scaling), labels, folder)
    net.save_weights(folder / "native" / WEIGHTS)
    (folder / "native" / "architecture.json").write_text(net.to_json())
    (folder / "native" / "scaling.json").write_text(json.dumps(scaling))
    export(net, scaling, spec, values, folder / "model.onnx")
    print(f"{len(losses)} epochs, {net.count_params()} weights")


def measure(values: np.ndarray, labels: np.ndarray, kind: str) -> dict:
    """Middle and scale of each feature, unknown values apart; and of the label where it is a number."""
    with np.errstate(all="ignore"):
        middle, scale = np.nan_to_num(np.nanmean(values, axis=0)), np.nan_to_num(np.nanstd(values, axis=0))
    scale[scale == 0] = 1.0
    found = {"middle": middle.tolist(), "scale": scale.tolist()}
    if kind == "number":
        found |= {"label_middle": float(labels.mean()), "label_scale": float(labels.std()) or 1.0}
    return found


def scaled(values: np.ndarray, scaling: dict) -> np.ndarray:
    """Mean 0 and deviation 1; an unknown value becomes the mean."""
    moved = (values - np.array(scaling["middle"], "float32")) / np.array(scaling["scale"], "float32")
    return np.nan_to_num(moved, nan=0.0)


def layout_of(folder: Path, spec: dict) -> tuple[list[list[int]], list[int]]:
    """The places of the features of each step, and of those that are no part of the sequence."""
    if spec["params"].get("kind", "dense") == "dense":
        return [], list(range(len(spec["features"])))
    steps = json.loads((folder / "code" / "layout.json").read_text())["steps"]
    named = [name for step in steps for name in step]
    if missing := sorted(set(named) - set(spec["features"])):
        sys.exit(f"layout.json: no feature {missing[0]!r}; expected names among {spec['features']}")
    if len({len(step) for step in steps}) != 1:
        sys.exit(f"layout.json: the steps have {[len(step) for step in steps]} features; expected equally many in each")
    place = {name: number for number, name in enumerate(spec["features"])}
    return [[place[name] for name in step] for step in steps], [place[n] for n in spec["features"] if n not in named]


def build(spec: dict, layout: tuple[list[list[int]], list[int]]) -> keras.Model:
    """The net: [n, k] scaled features in; probabilities [n, classes] out, or one number."""
    params, (steps, beside) = spec["params"], layout
    units, dropout = params.get("units", 32), params.get("dropout", 0.0)
    given = keras.Input((len(spec["features"]),))
    parts = []
    if steps:
        order = [place for step in steps for place in step]
        sequence = keras.layers.Reshape((len(steps), len(steps[0])))(pick(given, order))
        if params["kind"] == "conv":
            width = min(params.get("width", 3), len(steps))
            sequence = keras.layers.Conv1D(units, width, padding="causal", activation="relu")(sequence)
            parts.append(keras.layers.GlobalAveragePooling1D()(sequence))
        else:
            parts.append(keras.layers.GRU(units, unroll=True)(sequence))
    if beside:
        parts.append(pick(given, beside))
    made = keras.layers.Concatenate()(parts) if len(parts) > 1 else parts[0]
    for _ in range(params.get("layers", 1)):
        made = keras.layers.Dense(units, activation="relu")(made)
        made = keras.layers.Dropout(dropout)(made) if dropout else made
    if spec["kind"] == "number":
        return keras.Model(given, keras.layers.Dense(1)(made))
    return keras.Model(given, keras.layers.Dense(len(spec["classes"]) or 2, activation="softmax")(made))


def pick(given: keras.KerasTensor, places: list[int]) -> keras.KerasTensor:
    """Columns by their places: a product with ones and zeros, which every exporter knows."""
    chosen = np.eye(given.shape[1], dtype="float32")[:, places]
    layer = keras.layers.Dense(len(places), use_bias=False, trainable=False)
    layer.build(given.shape)
    layer.set_weights([chosen])
    return layer(given)


def fit(net: keras.Model, spec: dict, values: np.ndarray, labels: np.ndarray, folder: Path) -> list[dict]:
    """Train with checkpoints; at the end the net has the weights of its best epoch."""
    params = spec["params"]
    rate = params.get("learning_rate", 0.001) * spec["learning_rate_factor"]
    loss = "mean_squared_error" if spec["kind"] == "number" else "sparse_categorical_crossentropy"
    net.compile(keras.optimizers.Adam(rate, clipnorm=1.0), loss)
    held_back = max(len(values) // 10, 1)  # the newest rows measure and do not teach
    watch = Watch(net, spec, folder)
    net.fit(
        values[:-held_back],
        labels[:-held_back],
        validation_data=(values[-held_back:], labels[-held_back:]),
        batch_size=params.get("batch", 64),
        epochs=params.get("epochs", 20),
        initial_epoch=watch.restore(),
        callbacks=[watch],
        verbose=0,
    )
    if watch.best_weights is not None:
        net.set_weights(watch.best_weights)
    return watch.lines


class Watch(keras.callbacks.Callback):
    """Writes the losses down, saves checkpoints, and ends when it is asked to."""

    def __init__(self, net: keras.Model, spec: dict, folder: Path) -> None:
        super().__init__()
        self.net, self.folder, self.saved_in = net, folder, Path(spec["checkpoints"])
        self.restarts, self.best_epoch = spec["restarts"], spec["best_epoch"]
        self.declared = (spec["learning"] or {}).get("checkpoints") or {"every": 5, "keep": 3}
        self.lines: list[dict] = []
        self.best_weights: list[np.ndarray] | None = None
        self.best_loss = np.inf
        self.asked = False
        signal.signal(signal.SIGTERM, lambda *_: setattr(self, "asked", True))

    def restore(self) -> int:
        """Load the newest checkpoint, after a divergence that of the best epoch; the number of epochs before it."""
        saved = sorted(self.saved_in.glob("*.weights.h5"))
        if self.restarts:
            saved = [one for one in saved if epoch_of(one) == self.best_epoch]
        if not saved:
            return 0
        self.net.load_weights(saved[-1])
        self.best_weights = self.net.get_weights()
        print(f"goes on after epoch {epoch_of(saved[-1])}")
        return epoch_of(saved[-1])

    def on_epoch_end(self, epoch: int, logs: dict) -> None:
        """One line, perhaps a checkpoint."""
        rate = float(self.net.optimizer.learning_rate)
        line = {"epoch": epoch + 1, "loss": logs["loss"], "validation_loss": logs["val_loss"], "learning_rate": rate}
        self.lines.append(line)
        if line["validation_loss"] < self.best_loss:
            self.best_loss, self.best_weights, self.best_epoch = logs["val_loss"], self.net.get_weights(), epoch + 1
        with (self.folder / "history.jsonl").open("a") as history:
            print(json.dumps(line), file=history)
        if (epoch + 1) % self.declared["every"] == 0:
            self.save(epoch + 1)
        if self.asked:  # the best is there to be restored
            if self.best_weights is not None:
                self.net.set_weights(self.best_weights)
                self.save(self.best_epoch)
            self.net.stop_training = True

    def save(self, epoch: int) -> None:
        """A checkpoint named by time and epoch, whole or not at all; the oldest beyond `keep` are removed."""
        made = self.folder / "tmp" / WEIGHTS
        self.net.save_weights(made, overwrite=True)
        path = self.saved_in / f"{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}-e{epoch:05}.weights.h5"
        shutil.copyfile(made, path.with_suffix(".part"))
        path.with_suffix(".part").rename(path)
        for old in sorted(self.saved_in.glob("*.weights.h5"))[: -self.declared["keep"]]:
            old.unlink()


def epoch_of(checkpoint: Path) -> int:
    """The epoch in a checkpoint's name."""
    return int(checkpoint.name.removesuffix(".weights.h5")[-5:])


def export(net: keras.Model, scaling: dict, spec: dict, values: np.ndarray, path: Path) -> None:
    """Write the graph, with scales and the replacement of unknown values inside, and compare it with the net."""
    middle, scale = (jnp.array(scaling[name], "float32") for name in ("middle", "scale"))

    def predict(features: jnp.ndarray) -> jnp.ndarray:
        moved = (jnp.where(jnp.isnan(features), middle, features) - middle) / scale
        made = net(moved, training=False)
        return made * scaling["label_scale"] + scaling["label_middle"] if spec["kind"] == "number" else made

    output = "prediction" if spec["kind"] == "number" else "probabilities"
    graph = to_onnx(
        predict, [("rows", len(spec["features"]))], opset=21, input_names=["features"], output_names=[output]
    )
    onnx.save(graph, path)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    for size in BATCHES:
        batch = np.resize(values, (size, values.shape[1]))
        off = np.abs(session.run(None, {"features": batch})[0] - np.asarray(predict(jnp.array(batch)))).max()
        if not off <= 1e-4 * max(scaling.get("label_scale", 1.0), 1.0):
            sys.exit(f"the graph is off by {off:.2g} on a batch of {size} rows; expected the net's own predictions")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
