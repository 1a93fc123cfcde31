"""One outside thing a file; none yet."""
