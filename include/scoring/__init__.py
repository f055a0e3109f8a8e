"""Foretells new hours with the champion, window by window, so that doing it twice changes nothing."""
