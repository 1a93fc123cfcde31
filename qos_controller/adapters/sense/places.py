"""Where one file of one group lies, by the layout that was found.

Always holds: a hierarchy that is not there gives an empty path, and an empty path reads as missing.
"""

from __future__ import annotations

from qos_controller.adapters.cgroups.layout import Layout


def file_in(mount: str, group: str, name: str) -> str:
    """A file of a group (a path relative to every mount, empty for the root)."""
    if not mount:
        return ""
    return f"{mount}/{group}/{name}" if group else f"{mount}/{name}"


def stat_file(layout: Layout, controller: str, group: str, *, v1: str, v2: str) -> str:
    """The file that tells of a controller: named `v1` there, else `v2` in the unified tree."""
    if layout.is_v1(controller):
        return file_in(layout.v1[controller], group, v1)
    return file_in(layout.unified, group, v2)
