"""Where model versions are kept: MLflow, and the ONNX graph as it is served."""
