"""Puts back all that an agent of this node wrote, by its ledgers; for when no agent runs.

Always holds: what is frozen is thawed first; what the kernel refuses is named and stays recorded;
done twice, the second time finds nothing to do.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path

from qos_controller.adapters.cgroups.files import KeptFiles
from qos_controller.adapters.cgroups.owned import FILE_NAME, read_owned, restore_from
from qos_controller.adapters.egress import LEDGER, restore_egress
from qos_controller.adapters.rtnetlink import Netlink
from qos_controller.adapters.ticks import TickReader
from slacktide.errors import BadInput

ALIVE_S = 3.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was done, in sentences."""

    said: tuple[str, ...]
    whole: bool
    """Whether everything is as it was."""


def restore_node(run_dir: Path) -> Outcome:
    """Files first, since somebody may stand frozen; then the network.

    Raises:
        BadInput: an agent is at work here and would write it all again.
    """
    pid = _agent_alive(run_dir)
    if pid:
        raise BadInput(
            f"an agent (process {pid}) is at work and would write it all again: annotate the node "
            "with slacktide.io/agent=off, which restores everything too, or stop the agent first"
        )
    return put_back_left(run_dir)


def put_back_left(run_dir: Path) -> Outcome:
    """As `restore_node`, for who knows that no loop runs."""
    files = _restore_files(run_dir)
    sent = _restore_egress(run_dir)
    return Outcome((*files.said, *sent.said), files.whole and sent.whole)


def _restore_files(run_dir: Path) -> Outcome:
    path = run_dir / FILE_NAME
    if not path.exists():
        return Outcome((f"{path} is not there: no agent has left a file written",), whole=True)
    owned = read_owned(str(run_dir))
    if not owned and not _tells_of_nothing(path):
        torn = f"{path} is torn and tells nothing; docs/node-agent.md says what to look at by hand"
        return Outcome((torn,), whole=False)
    frozen = sum(one.kind == "freeze" and Path(one.path).exists() for one in owned)
    done = restore_from(str(run_dir), KeptFiles(say=lambda _: None))
    said = [
        f"groups that may run again: {frozen}",
        f"{done.put_back} files are as they were; {done.gone} have gone with their groups",
        *(f"the kernel refuses {one}" for one in done.refused),
    ]
    return Outcome(tuple(said), whole=not done.refused)


def _tells_of_nothing(path: Path) -> bool:
    """A ledger that is whole and has no file in it."""
    try:
        return bool(json.loads(path.read_bytes())["files"] == [])
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _restore_egress(run_dir: Path) -> Outcome:
    if not (run_dir / LEDGER).exists():
        return Outcome(("no link had a ceiling",), whole=True)
    try:
        with Netlink() as netlink:
            said = restore_egress(run_dir, netlink)
    except (OSError, ValueError) as error:
        return Outcome((f"the network is not restored: {error}",), whole=False)
    return Outcome(tuple(said) or ("the ceiling had gone already",), whole=True)


def _agent_alive(run_dir: Path) -> int:
    """Its process; 0 where none has given a sign of life of late."""
    try:
        reader = TickReader(run_dir / "ticks")
    except (OSError, ValueError):
        return 0
    try:
        alive = reader.heartbeat_s > 0 and time.monotonic() - reader.heartbeat_s < ALIVE_S
        return reader.pid if alive else 0
    finally:
        reader.close()
