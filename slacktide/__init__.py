"""The words all rooms share: units, contract, messages, settings, clock, command line."""

__version__ = "0.1.0"
