"""Watches a model after promotion: drift against its reference profile, performance against labels that arrived."""
