/** Gangs and queues: who holds what in the quota tree, and why each waiting gang waits. */

import type { PendingGang, PendingGangs, QueueRow } from "../api.ts";
import { bytes, clock, cores, count, duration } from "../format.ts";
import { headline, progress } from "../live.ts";
import { Bar, Key } from "../parts/bits.tsx";
import { type Column, Table } from "../parts/table.tsx";
import { useResource } from "../resource.ts";
import { choose, chosen } from "../router.ts";
import { type Branch, branches } from "../tree.ts";

export function QueuesPage() {
  const revisions = progress.value?.revisions;
  const queues = useResource<{ rows: QueueRow[] }>("/queues", revisions?.queues ?? 0).value?.rows ?? [];
  const queue = chosen("queue");
  const path = `/gangs?state=pending&limit=500${queue ? `&queue=${encodeURIComponent(queue)}` : ""}`;
  const gangs = useResource<PendingGangs>(path, revisions?.gangs ?? 0).value;
  return (
    <>
      <QueueTree rows={queues} />
      <section class="card" aria-labelledby="waiting">
        <div class="card-head">
          <h2 id="waiting">Waiting gangs</h2>
          <p class="quiet" data-figure="waiting">
            {count(headline.value?.pending_gangs)} wait, {count(headline.value?.running_gangs)} run
          </p>
          <label class="inline">
            Queue
            <select value={queue} onChange={(event) => choose({ queue: event.currentTarget.value })}>
              <option value="">All queues</option>
              {queues.map((one) => (
                <option value={one.name}>{one.name}</option>
              ))}
            </select>
          </label>
        </div>
        {gangs?.rows.length ? (
          <Table caption="Waiting gangs" columns={GANGS} rows={gangs.rows} sorted={{ key: "waiting", falling: true }} />
        ) : (
          <p class="empty">No gang waits.</p>
        )}
      </section>
    </>
  );
}

function QueueTree({ rows }: { rows: QueueRow[] }) {
  return (
    <section class="card" aria-labelledby="tree">
      <div class="card-head">
        <h2 id="tree">Queues</h2>
        <div class="legend">
          <Key swatch="online">Used within the guarantee</Key>
          <Key swatch="borrowed">Borrowed above it</Key>
          <Key swatch="mark">Guaranteed</Key>
        </div>
      </div>
      {rows.length ? (
        <Table caption="The queue tree, children indented below their parents" columns={QUEUES} rows={branches(rows)} />
      ) : (
        <p class="empty">No queue is known yet.</p>
      )}
    </section>
  );
}

const QUEUES: Column<Branch>[] = [
  {
    key: "name",
    label: "Queue",
    head: true,
    cell: (row) => (
      <span class="branch" style={{ paddingLeft: `${row.depth * 20}px` }}>
        {row.depth > 0 && <span class="twig" aria-hidden="true" />}
        {row.name}
      </span>
    ),
  },
  {
    key: "bar",
    label: "Cores held",
    wide: true,
    cell: (row) => (
      <Bar
        first={((row.used_cores ?? 0) - (row.borrowed_cores ?? 0)) / row.scale}
        second={(row.borrowed_cores ?? 0) / row.scale}
        mark={(row.guaranteed_cores ?? 0) / row.scale}
      />
    ),
  },
  { key: "used", label: "Used", cell: (row) => cores(row.used_cores), numeric: true },
  { key: "guaranteed", label: "Guaranteed", cell: (row) => cores(row.guaranteed_cores), numeric: true },
  { key: "borrowed", label: "Borrowed", cell: (row) => cores(row.borrowed_cores), numeric: true },
  { key: "max", label: "At most", cell: (row) => cores(row.max_cores), numeric: true },
  { key: "weight", label: "Weight", cell: (row) => cores(row.weight), numeric: true },
  { key: "pending", label: "Gangs waiting", cell: (row) => count(row.pending_gangs), numeric: true },
];

const GANGS: Column<PendingGang>[] = [
  { key: "gang", label: "Gang", cell: (row) => row.gang, sort: (row) => row.gang, head: true },
  { key: "queue", label: "Queue", cell: (row) => row.queue, sort: (row) => row.queue },
  {
    key: "waiting",
    label: "Waiting",
    cell: (row) => (
      <>
        {duration(row.waiting_s)}
        <span class="under">since {clock(row.submitted_s)}</span>
      </>
    ),
    sort: (row) => row.waiting_s,
    numeric: true,
  },
  {
    key: "tasks",
    label: "Tasks",
    cell: (row) => (
      <>
        {count(row.tasks)}
        {row.min_available !== row.tasks && <span class="under">at least {count(row.min_available)}</span>}
      </>
    ),
    sort: (row) => row.tasks,
    numeric: true,
  },
  {
    key: "size",
    label: "Each task",
    cell: (row) => (
      <>
        {cores(row.cpu_cores)} {row.cpu_cores === 1 ? "core" : "cores"}
        <span class="under">{bytes(row.memory_bytes)}</span>
      </>
    ),
    sort: (row) => row.cpu_cores,
    numeric: true,
  },
  { key: "for", label: "Runs for", cell: (row) => duration(row.duration_s), sort: (row) => row.duration_s, numeric: true },
  { key: "reason", label: "Why it waits", cell: (row) => row.reason, wide: true },
];
