"""The revisions, in order. `almanac.journal.schema.HEAD` names the newest."""
