"""Fit of candidates: model selection, parameter search, learning curves, continuation of the champion."""
