"""Where history is kept and comes from, one outside thing a file."""
