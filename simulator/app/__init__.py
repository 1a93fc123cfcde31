"""Replays, backtests and the commands that start them."""
