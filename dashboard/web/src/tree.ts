/** The queue tree as lines: each queue right below its parent, with its depth. */

import type { QueueRow } from "./api.ts";

export interface Branch extends QueueRow {
  depth: number;
  /** The longest bar of the tree in cores, so that all bars share one scale. */
  scale: number;
}

/** Depth first. A queue whose parent is unknown stands as a root, so that none is lost. */
export function branches(rows: QueueRow[]): Branch[] {
  const names = new Set(rows.map((row) => row.name));
  const below = Map.groupBy(rows, (row) => (row.parent !== null && names.has(row.parent) ? row.parent : null));
  const held = rows.map((row) => Math.max(row.used_cores ?? 0, row.guaranteed_cores ?? 0));
  const scale = 1.01 * Math.max(1e-9, ...held); // a mark at the very end would be cut off
  const grow = (parent: string | null, depth: number): Branch[] =>
    (below.get(parent) ?? []).flatMap((row) => [{ ...row, depth, scale }, ...grow(row.name, depth + 1)]);
  return grow(null, 0);
}
