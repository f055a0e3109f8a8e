"""The fitted pipeline as an ONNX graph, proven to answer like it."""
