"""Rolling-origin folds, and the naive rules that a candidate must beat."""
