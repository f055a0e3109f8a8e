"""The restore drill: snapshots come back into a scratch folder and are used."""
