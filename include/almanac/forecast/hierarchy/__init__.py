"""Totals over grains: their own series, and forecasts of totals and grains that agree."""
