"""Files of the kernel that are read again and again: opened once, read with one system call.

A group's files do not all come at once: the runtime makes its directory in one hierarchy after
another, and a group may go and be made anew. So a file that is missing is tried again at the next
reading, then after 2, 4, 8 ... readings, up to `RAREST`.
Always holds: what cannot be read now is None, never an error.
Cost: `os.pread` of a kept descriptor is 0.4 us of Python beside what the kernel takes, which each
signal's file says; to open and close takes 6 us more. These are figures of a warm cache; in a loop
that sleeps 25 ms between two ticks everything takes two to four times as long.
"""

from __future__ import annotations

import os
from typing import Final

RAREST: Final = 256
_GONE: Final = -1
_FOR_EVER: Final = 1 << 60


class KeptFile:
    """One small file, read from its beginning each time."""

    __slots__ = ("_fd", "_pause", "_size", "_skip", "path")

    def __init__(self, path: str, *, size_bytes: int = 4096) -> None:
        self.path = path
        self._size = size_bytes
        self._fd = _GONE
        self._pause = self._skip = 0
        self._open()

    @property
    def there(self) -> bool:
        """Whether it could be read when it was last tried."""
        return self._fd != _GONE

    def read(self) -> bytes | None:
        """The first `size_bytes` of it; None where there is no such file now."""
        if self._fd == _GONE and not self._tried_again():
            return None
        try:
            return os.pread(self._fd, self._size, 0)
        except OSError:
            self._let_go()
            return None

    def close(self) -> None:
        """Lets go of it for good."""
        self._let_go()
        self._skip = _FOR_EVER

    def _let_go(self) -> None:
        if self._fd != _GONE:
            os.close(self._fd)
            self._fd = _GONE

    def _tried_again(self) -> bool:
        if self._skip > 0:
            self._skip -= 1
            return False
        return self._open()

    def _open(self) -> bool:
        try:
            self._fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            self._pause = min(2 * self._pause + 1, RAREST)
            self._skip = self._pause if self.path else _FOR_EVER
            return False
        self._pause = 0
        return True
