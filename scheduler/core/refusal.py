"""What keeps a gang's tasks off nodes, counted: which label is missing where, which taint is there.

Asked for one gang at a time, when a person wants to know; planning never comes here.
"""

from __future__ import annotations

from collections import Counter

import numpy as np

from scheduler.core.constraints import NodeChoice, Rules
from scheduler.core.kinds import Constraints
from scheduler.core.labels import Need
from scheduler.core.node_table import NodeTable

SHOWN = 3  # causes a sentence names; the rest is said to be there


def refusals(constraints: Constraints, kind: int) -> str:
    """`its rules leave 3 of 100 nodes: 60 without zone In (a), 37 with taint gpu=yes:NoSchedule`.

    A node is counted once for each cause, so the numbers may add up to more than all nodes.
    """
    table, rules = constraints.table, constraints.rules[kind]
    left = int(constraints.allowed[constraints.row_of[kind]].sum())
    causes = Counter({**_labels(table, rules), **_taints(table, rules)}).most_common()
    said = ", ".join(f"{nodes} {cause}" for cause, nodes in causes[:SHOWN])
    more = f" and {len(causes) - SHOWN} causes more" if len(causes) > SHOWN else ""
    return f"its rules leave {left} of {len(table)} nodes" + (f": {said}{more}" if said else "")


def _labels(table: NodeTable, rules: Rules) -> dict[str, int]:
    found = {
        f"without {_said(choice)}": int((~table.chosen(choice)).sum()) for choice in rules.choices
    }
    return {cause: nodes for cause, nodes in found.items() if nodes}


def _said(choice: NodeChoice) -> str:
    terms = [" and ".join(str(need) for need in needs) for needs in choice]
    return " or ".join(terms) if terms else str(Need("any node", "In"))


def _taints(table: NodeTable, rules: Rules) -> dict[str, int]:
    found = [taint for taint in table.untolerated(rules.tolerations) if taint is not None]
    return {
        f"with taint {taint.key}={taint.value}:{taint.effect}": int(
            np.count_nonzero(table.nodes_with(taint))
        )
        for taint in dict.fromkeys(found)
    }
