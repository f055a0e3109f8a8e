"""Files in folders and object stores, through fsspec."""
