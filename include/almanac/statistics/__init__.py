"""Figures and measures of frames and predictions: metrics, intervals, reference profiles, distances.

May import: config.
"""
