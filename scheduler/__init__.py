"""Snapshot, queue, fit, score, gang, plan: offline jobs onto forecast capacity."""
