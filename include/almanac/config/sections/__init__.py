"""The sections of a model's YAML and of `_installation.yaml`, one module each."""
