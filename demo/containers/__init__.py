"""Runs docker-compose.yaml in containers where there is neither Docker nor a registry of images: podman and Debian."""
