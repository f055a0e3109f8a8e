"""Hot, cool, archive: where objects lie as they grow old, and how they come back."""
