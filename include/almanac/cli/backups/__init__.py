"""The commands about backups and keys."""
