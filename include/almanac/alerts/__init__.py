"""The core of notification: a message, the condition that it is about, its delivery, and what was told.

May import: config, journal.
"""
