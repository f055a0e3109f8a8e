"""The monitor's report: its page, pictures and Markdown."""
