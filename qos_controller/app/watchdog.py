"""Thaws the node when the fast loop is gone or stuck: the one part that must outlive all others.

Run alone as `python -I -S watchdog.py RUN_DIR`: the standard library and nothing else, because what
it guards against includes a broken installation. It looks four times a second:

- nobody holds RUN_DIR/loop.lock: the loop has ended. Acts at once.
- the diary's heartbeat is older than 2.5 s: the loop is stopped or stuck. Acts.

To act is to walk the ledger (RUN_DIR/owned.json, adapters/cgroups/owned.py) once and write what it
calls safe: frozen groups run again, CPU quotas are the safe ones. Weights, disk and memory limits
stay as they are, for they protect online by themselves. What was done is one line on stderr and
RUN_DIR/watchdog.json. Left behind without its supervisor it waits ten minutes for a new agent,
puts back what the ledger says (but what belongs to processes, which pass), and ends.

Always holds: nothing is written that the ledger does not name; a new loop cannot begin while this
one acts on a dead one, as it holds the lock; there is one watchdog, the newest.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
import sys
import time
from _json import encode_basestring_ascii, make_scanner

LOOK_S = 0.25
STALE_S = 2.5
"""With the looks in between the node is safe within 3 s."""
AGAIN_S = 1.0
"""While the trouble lasts, since a loop may live and freeze between two looks."""
LEAVE_AFTER_S = 600.0
"""A DaemonSet's update takes seconds, a crash loop backs off for five minutes at most."""

SIGTERM = 15  # the module `signal` costs half a megabyte
ENDED = "the loop has ended"

# The diary's head (adapters/ticks.py), which is not importable here.
MAGIC = b"sltk0001"
HEAD = struct.Struct("<8sd")

_GONE = (errno.ENOENT, errno.ENODEV)


class JsonRules:
    """What the module `json` tells its own scanner; the module itself costs a megabyte more."""

    strict = True
    object_hook = object_pairs_hook = None
    parse_float, parse_int, parse_constant = float, int, float


class Diary:
    """The heartbeat, from whichever file now carries the diary's name."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._fd = -1
        self._inode = 0
        self._met_s = 0.0

    def beat_s(self, now_s: float) -> float:
        """When the loop last lived; before its first heartbeat, when its diary was first seen."""
        try:
            inode = os.stat(self._path).st_ino  # noqa: PTH116  it costs memory
        except OSError:
            inode = 0
        if inode != self._inode or not inode:
            self._reopen(inode, now_s)
        if self._fd < 0:
            return self._met_s
        head = os.pread(self._fd, HEAD.size, 0)
        if len(head) < HEAD.size:
            return self._met_s
        magic, beat_s = HEAD.unpack(head)
        return max(beat_s, self._met_s) if magic == MAGIC else self._met_s

    def _reopen(self, inode: int, now_s: float) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        if inode or self._inode or not self._met_s:
            self._met_s = now_s
        self._inode = inode
        try:
            self._fd = os.open(self._path, os.O_RDONLY)
        except OSError:
            self._fd = -1


def write_text(path: str, text: str) -> None:
    """Writes with one call, so that the kernel's refusal is seen here."""
    fd = os.open(path, os.O_WRONLY)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)


def owned(run_dir: str) -> list[dict[str, object]]:
    """The ledger's files, in the order in which they may be written; none where there is none.

    Raises ValueError, KeyError or TypeError where it is something else.
    """
    try:
        with open(f"{run_dir}/owned.json") as file:  # noqa: PTH123  pathlib costs memory too
            text = file.read()
    except FileNotFoundError:
        return []
    try:
        ledger, _ = make_scanner(JsonRules)(text, 0)  # type: ignore[arg-type]
    except (StopIteration, SystemError) as wrong:  # how it fails without the module
        raise ValueError("no JSON") from wrong
    files: list[dict[str, object]] = ledger["files"]
    return files


def make_safe(run_dir: str, why: str, *, tells: bool) -> None:
    """Writes what is safe to each file that has such a value; tells what came of it, if it may."""
    failed: list[str] = []
    wrote = {"freeze": 0, "quota": 0}
    try:
        for file in owned(run_dir):
            safe, path, kind = str(file["safe"]), str(file["path"]), str(file["kind"])
            if safe and _took(path, safe, failed):
                wrote[kind] = wrote.get(kind, 0) + 1
    except (OSError, ValueError, KeyError, TypeError) as wrong:
        failed.append(f"owned.json: {type(wrong).__name__}: {wrong}")
    if not tells or not (failed or any(wrote.values())):
        return  # said already, or nothing was owned that could hurt
    did = f"{why}: {wrote['freeze']} groups thawed, {wrote['quota']} quotas safe"
    say(did + (f"; failed: {', '.join(failed[:3])}" if failed else ""))
    refusals = ", ".join(encode_basestring_ascii(refusal) for refusal in failed[:100])
    tell(
        run_dir,
        f'{{"unix_s": {time.time():.3f}, "why": {encode_basestring_ascii(why)}, '
        f'"thawed": {wrote["freeze"]}, "limited": {wrote["quota"]}, "failed": [{refusals}]}}\n',
    )


def is_owner(run_dir: str) -> bool:
    """Whether the agent has anything to put back; a ledger that cannot be read may."""
    try:
        return bool(owned(run_dir))
    except (OSError, ValueError, KeyError, TypeError):
        return True


def restore(run_dir: str) -> list[str]:
    """Writes back what each file held; those that refused.

    In rounds: version 1 takes a parent's quota or CPUs only before or after its child's.
    """
    waiting = [file for file in owned(run_dir) if file["kind"] != "process"]
    refused: list[str] = []
    while waiting:
        refused = []
        left = [file for file in waiting if not _put_back(file, refused)]
        if len(left) == len(waiting):
            return refused
        waiting = left
    if is_owner(run_dir):
        os.unlink(f"{run_dir}/owned.json")  # noqa: PTH108  as above
    return refused


def watch(run_dir: str, supervisor: int) -> None:
    """Until it is ended, or has put everything back."""
    diary = Diary(f"{run_dir}/ticks")
    lock = os.open(f"{run_dir}/loop.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    acted_s = told_of = None
    looked_s = orphaned_s = time.monotonic()
    while True:
        time.sleep(LOOK_S)
        now_s = time.monotonic()
        # Who slept itself cannot tell whether the other did: look once more.
        slept = now_s - looked_s > 4 * LOOK_S
        looked_s = now_s
        why = "" if slept else _trouble(diary, lock, now_s)
        if not why:
            acted_s = told_of = None
        elif acted_s is None or now_s - acted_s >= AGAIN_S:
            ledger = _identity(f"{run_dir}/owned.json")
            make_safe(run_dir, why, tells=ledger != told_of)
            acted_s, told_of = now_s, ledger
        fcntl.flock(lock, fcntl.LOCK_UN)
        if not why.startswith(ENDED) or os.getppid() == supervisor:
            orphaned_s = now_s
        elif not is_owner(run_dir):
            return
        elif now_s - orphaned_s > LEAVE_AFTER_S:
            refused = restore(run_dir)
            left = f" but {', '.join(refused)}" if refused else ""
            say(f"no agent came for {LEAVE_AFTER_S:.0f} s: restored all{left}")
            return


def _identity(path: str) -> tuple[int, int]:
    """Another one after each writing."""
    try:
        found = os.stat(path)  # noqa: PTH116  as above
    except OSError:
        return (0, 0)
    return (found.st_ino, found.st_mtime_ns)


def be_the_only_one(run_dir: str) -> None:
    """Ends an older watchdog and takes its place; raises OSError where that cannot be."""
    fd = os.open(f"{run_dir}/watchdog.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        # Who holds the lock lives, so the number is its own.
        os.kill(int(os.pread(fd, 32, 0)), SIGTERM)
        fcntl.flock(fd, fcntl.LOCK_EX)
    os.ftruncate(fd, 0)
    os.pwrite(fd, str(os.getpid()).encode(), 0)


def say(line: str) -> None:
    """One line on stderr with the time; nobody may be listening any more."""
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    try:
        os.write(2, f"{stamp} slacktide watchdog: {line}\n".encode())
    except OSError:
        return


def tell(run_dir: str, report: str) -> None:
    """RUN_DIR/watchdog.json, whole."""
    path = f"{run_dir}/watchdog.json"
    try:
        with open(f"{path}.new", "w") as file:  # noqa: PTH123  as above
            file.write(report)
        os.rename(f"{path}.new", path)  # noqa: PTH104  as above
    except OSError as why:
        say(f"{path}: {why.strerror}")


def _trouble(diary: Diary, lock: int, now_s: float) -> str:
    """Why to act; with the lock held where the loop has ended. Empty: all is well."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        still_s = now_s - diary.beat_s(now_s)
        # Whole sentences: they are what an operator reads.
        return f"the loop's heart stood still for {still_s:.1f} s" if still_s > STALE_S else ""
    return ENDED


def _took(path: str, text: str, failed: list[str]) -> bool:
    try:
        write_text(path, text)
    except OSError as why:
        if why.errno not in _GONE:
            failed.append(f"{path}: {why.strerror}")
        return False
    return True


def _put_back(file: dict[str, object], refused: list[str]) -> bool:
    """Whether nothing of it is left to do."""
    before = len(refused)
    lines = file["was"]
    for text in lines if isinstance(lines, list) else ():
        _took(str(file["path"]), str(text), refused)
    return len(refused) == before


if __name__ == "__main__":
    be_the_only_one(sys.argv[1])
    # Told by number: whoever started it may be gone before it asks.
    watch(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else os.getppid())
