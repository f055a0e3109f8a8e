"""Backup, restore and retention as a schedule or a form starts them, summed up as plain JSON."""
