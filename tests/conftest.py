"""What holds for every test."""

from __future__ import annotations

import os

from hypothesis import settings

# As the command line does: parallelism is by process, and OpenMP threads would spin for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# A deadline is a timed test: on a busy machine it fails for nothing.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
