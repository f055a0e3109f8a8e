"""One file from the landing area to its end: checked, published or rejected, and reported."""
