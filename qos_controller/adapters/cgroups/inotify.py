"""The kernel tells when a directory gets or loses a subdirectory: inotify, as little as is needed.

The three calls of libc through ctypes; no library is worth its weight here. mkdir and rmdir in a
control group tree go through the VFS, so they are told like any other (kernfs tells no content
changes, and none are asked for).
Always holds: reading never blocks; what was lost in an overflow is said, so the caller looks again.
"""

from __future__ import annotations

import ctypes
import os
import select
import struct
from typing import Final

_CREATE, _DELETE = 0x100, 0x200
_MOVED_FROM, _MOVED_TO = 0x40, 0x80
_ONLY_DIRECTORIES, _DO_NOT_FOLLOW = 0x01000000, 0x02000000
_IS_DIRECTORY, _OVERFLOW, _IGNORED = 0x40000000, 0x4000, 0x8000
_EVENT: Final = struct.Struct("iIII")
_READ_BYTES: Final = 64 * 1024
_MASK: Final = _CREATE | _DELETE | _MOVED_FROM | _MOVED_TO | _ONLY_DIRECTORIES | _DO_NOT_FOLLOW
_libc: Final = ctypes.CDLL(None, use_errno=True)


class DirectoryWatch:
    """Directories under watch; wait for `fd` to become readable, then ask for `changed`."""

    def __init__(self) -> None:
        """Raises OSError where the user's inotify instances are used up."""
        self.fd: int = _libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self.fd < 0:
            raise OSError(ctypes.get_errno(), "inotify_init1: raise fs.inotify.max_user_instances")
        # Without news a read would answer with an exception, which costs more than this question.
        self._waiting = select.poll()
        self._waiting.register(self.fd, select.POLLIN)
        self._paths: dict[int, str] = {}
        self._watches: dict[str, int] = {}

    def add(self, path: str) -> bool:
        """Watches one directory; whether it could."""
        if path in self._watches:
            return True
        watch = _libc.inotify_add_watch(self.fd, path.encode(), _MASK)
        if watch < 0:
            return False
        self._paths[watch] = path
        self._watches[path] = watch
        return True

    def changed(self) -> tuple[set[str], bool]:
        """Directories whose subdirectories changed, and whether some news were lost."""
        changed: set[str] = set()
        lost = False
        while self._waiting.poll(0):
            told = os.read(self.fd, _READ_BYTES)
            at = 0
            while at < len(told):
                watch, mask, _, length = _EVENT.unpack_from(told, at)
                at += _EVENT.size + length
                lost |= bool(mask & _OVERFLOW)
                if mask & _IGNORED:  # the directory itself has gone, and its watch with it
                    self._watches.pop(self._paths.pop(watch, ""), None)
                elif mask & _IS_DIRECTORY and watch in self._paths:
                    changed.add(self._paths[watch])
        return changed, lost

    def close(self) -> None:
        """Ends all watches."""
        os.close(self.fd)
