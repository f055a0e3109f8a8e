"""What a team declares in YAML, read strictly, and where an installation keeps things and secrets.

May import: no other room.
"""
