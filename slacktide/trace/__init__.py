"""Traces: recorded fleets, as columns in memory and as folders of Parquet files."""

from slacktide.trace.columns import NEVER, Jobs, Nodes, Pods, Trace, Usage
from slacktide.trace.read import read_jobs, read_trace
from slacktide.trace.write import write_jobs, write_trace

__all__ = [
    "NEVER",
    "Jobs",
    "Nodes",
    "Pods",
    "Trace",
    "Usage",
    "read_jobs",
    "read_trace",
    "write_jobs",
    "write_trace",
]
