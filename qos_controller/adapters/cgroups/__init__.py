"""The node's control groups: found by looking, written with care, put back in the end."""
