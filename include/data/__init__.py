"""From a landed file to a published batch: arrivals, ingest, the dataset and its quarantine."""
