"""What is checked of a model after its promotion, one module each."""
