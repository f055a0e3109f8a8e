"""The core of notification: a message, the condition that it is about, its delivery, and its log.

May import: config, journal.
"""
