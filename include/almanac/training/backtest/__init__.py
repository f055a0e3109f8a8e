"""Rolling-origin folds, and the baselines that a candidate must beat."""
