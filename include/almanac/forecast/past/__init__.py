"""What became of forecasts that were published: their errors, alerts about them, and candidates that changed."""
