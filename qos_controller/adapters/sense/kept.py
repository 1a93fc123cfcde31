"""Files of the kernel that are read again and again: opened once, read with one system call.

Always holds: a file that is missing, vanishes or refuses is None from then on, never an error; it
is opened anew only when its group is followed anew.
Cost: `os.pread` of a kept descriptor is 0.4 us of Python; what the kernel adds is in each signal's
file. Opening each time would cost 6 us more (measured on one 2-CPU virtual machine, Linux 6.18).
"""

from __future__ import annotations

import os
from typing import Final

_GONE: Final = -1


class KeptFile:
    """One small file, read from its beginning each time."""

    __slots__ = ("_fd", "_size", "path")

    def __init__(self, path: str, *, size_bytes: int = 4096) -> None:
        self.path = path
        self._size = size_bytes
        try:
            self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            self._fd = _GONE

    @property
    def there(self) -> bool:
        """Whether it could still be read when it was last tried."""
        return self._fd != _GONE

    def read(self) -> bytes | None:
        """The first `size_bytes` of it; None where there is no such file (any more)."""
        if self._fd == _GONE:
            return None
        try:
            return os.pread(self._fd, self._size, 0)
        except OSError:
            self.close()
            return None

    def close(self) -> None:
        """Lets go of it; reading it is None afterwards."""
        if self._fd != _GONE:
            os.close(self._fd)
            self._fd = _GONE
