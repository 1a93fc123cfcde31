"""Traces and virtual time drive the real cores, beside the peers' policies."""
