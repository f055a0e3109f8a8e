"""Forecasts by grain: one series per store, product or station, each with the candidate that its own backtests prefer.

May import: alerts, config, data, journal, registry, reporting, storage, training.
"""
