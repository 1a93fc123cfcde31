"""The pods' door: classify, right-size, gate, validate."""
