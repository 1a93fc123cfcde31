"""Says in one line what to do when this Python is too old, before anything is installed."""

import sys

if sys.version_info < (3, 11):  # noqa: UP036  this is what an older Python runs first
    sys.exit(
        "slacktide needs Python 3.11 or newer; this is "
        + ".".join(map(str, sys.version_info[:3]))
        + ". Try: make PYTHON=python3.12 ..."
    )
