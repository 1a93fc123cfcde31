"""Fakes and strategies that tests of every room share; each is held against the real thing."""
