"""Export of the fitted pipeline as an ONNX graph, its parity and its speed."""
