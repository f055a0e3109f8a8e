"""The champion answers requests: the same graph and features as in batch scoring, by HTTP.

May import: config, data, features, journal, registry, rollout, scoring, storage, validation.
"""
