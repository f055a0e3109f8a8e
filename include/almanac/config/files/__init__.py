"""Reads the YAML files, their profiles and their neighbours."""
