"""What a model sees of a row, and its label: pure functions of the frame.

May import: config.
"""
