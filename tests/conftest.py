"""What holds for every test."""

from __future__ import annotations

import os

# As the command line does: parallelism is by process, and OpenMP threads would spin for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")
