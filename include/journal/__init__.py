"""The operations database: batches, decisions, alerts and audits, as rows that people and pages can query."""
