"""The report page of a forecast: what is forecast, how it differs from the forecast before, and how that turned out."""
