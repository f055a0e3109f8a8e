"""The candidate that is fitted once over all grains: its windows, its fit, and where that is kept."""
