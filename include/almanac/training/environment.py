"""Python and the packages that a training's result depends on."""

import platform
from importlib.metadata import PackageNotFoundError, version

_PACKAGES = (
    "numpy",
    "polars",
    "scikit-learn",
    "lightgbm",
    "skl2onnx",
    "onnxmltools",
    "onnx",
    "onnxruntime",
    "mlflow",
    "deltalake",
    "skops",
)


def environment() -> dict[str, str]:
    """The versions of Python and of the packages, by name."""
    return {"python": platform.python_version(), **package_versions()}


def package_versions() -> dict[str, str]:
    """The installed versions of the packages, by name; `absent` where one is not installed."""
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "absent"
    return found
