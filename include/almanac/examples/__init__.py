"""Examples: made-up data and the declaration of a model of each kind, to try it on, or to begin one's own with.

May import: sample.
"""
