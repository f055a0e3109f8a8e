"""Forecasts by grain: one series per store, product or station, each with the candidate that its own backtests prefer.

May import: config, data, journal, storage, training.
"""
