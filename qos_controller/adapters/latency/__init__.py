"""What services tell of their own latency, and the annotations by which they promise it."""
