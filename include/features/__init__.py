"""What a model sees of a row, and what it is to foretell: pure functions of the frame."""
