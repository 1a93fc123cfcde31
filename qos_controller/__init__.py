"""Sense, decide, act on one node: online latency first."""
