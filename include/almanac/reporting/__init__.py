"""What every page and report shares: templates, links, Markdown and drawing.

May import: journal.
"""
