"""Capacity planning in a browser: an API and its pages."""
