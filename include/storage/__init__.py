"""Files in folders and object stores: S3 and Azure Blob through obstore, this machine's own by itself."""
