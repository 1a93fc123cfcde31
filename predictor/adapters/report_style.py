"""How the report's page looks and sorts; apart, because nobody reads it with the rest.

Colours come in pairs, light and dark, and each text keeps a contrast of 4.5 to 1 on both.
"""

from __future__ import annotations

from typing import Final

STYLE: Final = """
:root {
  color-scheme: light dark; font: 14px/1.45 system-ui, sans-serif;
  --line: light-dark(#d5dae1, #353c46); --dim: light-dark(#5b6470, #9aa4b1);
  --bad: light-dark(#b3261e, #ff8a80); --warn: light-dark(#8a5300, #f0b45a);
  --good: light-dark(#1b6e33, #7bd490); --then: light-dark(#0b57d0, #8ab4f8);
  --usual: light-dark(#8fa3bd, #5d7391); --most: light-dark(#d3dce8, #333f50);
  background: light-dark(#fff, #14181d); color: light-dark(#1b2027, #e6eaf0);
}
body { margin: 0 } main { padding: 1.5rem 2rem } h1 { font-size: 1.4rem; margin: 0 0 .8rem }
dl { display: flex; flex-wrap: wrap; gap: .6rem; margin: 0 0 1rem }
dl div { border: 1px solid var(--line); border-radius: 8px; padding: .45rem .8rem }
dt { color: var(--dim); font-size: .85em } dd { margin: 0; font-variant-numeric: tabular-nums }
input { font: inherit; padding: .25em .5em; border: 1px solid var(--dim); border-radius: 6px;
  background: inherit; color: inherit }
.legend { color: var(--dim); margin: .2rem 0 }
.legend span { display: inline-block; width: 1.3em; height: .7em; margin: 0 .3em 0 .8em }
.legend .usual { background: var(--usual) } .legend .most { background: var(--most) }
.legend .now, .legend .then { height: 0; vertical-align: middle; border-top: 2px dashed var(--dim) }
.legend .then { border-top: 2px solid var(--then) }
.wide { overflow-x: auto; margin-top: 1.2rem }
table { border-collapse: collapse }
caption { text-align: left; font-size: 1.15rem; font-weight: 600; padding: .3em 0 }
th, td { padding: .3em .7em; text-align: left; white-space: nowrap; vertical-align: top }
thead th { border-bottom: 2px solid var(--line) } tbody tr { border-top: 1px solid var(--line) }
tbody tr:hover { background: light-dark(#f3f6fa, #1c222a) }
.n { text-align: right; font-variant-numeric: tabular-nums }
th button { all: unset; cursor: pointer } th button:focus-visible { outline: 2px solid var(--then) }
th[aria-sort=ascending] button::after { content: " \\2191" }
th[aria-sort=descending] button::after { content: " \\2193" }
.why { white-space: normal; min-width: 16em; max-width: 44em }
summary { cursor: pointer; color: var(--dim) } ul { margin: .3em 0; padding-left: 1.2em }
.CRITICAL .severity { color: var(--bad) } .WARNING .severity { color: var(--warn) }
.GOOD .severity { color: var(--good) }
.name small { display: block; color: var(--dim) }
svg { display: block; margin: 1px 0 } svg .most { fill: var(--most) } svg .usual { fill: var(--usual) }
svg .now { stroke: var(--dim); stroke-dasharray: 4 3 } svg .then { stroke: var(--then); stroke-width: 1.5 }
"""  # noqa: E501  a style sheet reads better in few lines

SCRIPT: Final = """
"use strict";
const value = (row, n) => {
  const cell = row.cells[n], by = cell.dataset.by ?? cell.textContent.replaceAll(",", "");
  return by !== "" && !isNaN(by) ? Number(by) : by;
};
for (const button of document.querySelectorAll("th button")) {
  button.addEventListener("click", () => {
    const head = button.parentElement, body = head.closest("table").tBodies[0], n = head.cellIndex;
    const down = head.ariaSort === "descending" ? 1 : -1;
    for (const other of head.parentElement.cells) other.ariaSort = null;
    head.ariaSort = down === 1 ? "ascending" : "descending";
    const order = (a, b) => typeof a === "number" && typeof b === "number"
      ? a - b : String(a).localeCompare(String(b));
    body.append(...[...body.rows].sort((a, b) => down * order(value(a, n), value(b, n))));
  });
}
document.getElementById("find").addEventListener("input", (event) => {
  const wanted = event.target.value.toLowerCase();
  for (const row of document.querySelectorAll("tbody tr"))
    row.hidden = !row.textContent.toLowerCase().includes(wanted);
});
"""
