"""Runs docker-compose.yaml without containers: the same commands and environment, as processes of this machine."""
