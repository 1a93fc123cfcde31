/** A live cluster's queues: cores sold, who holds what, whose turn is next and why. */

import type { ClusterFact, DecisionFact, LiveQueues, QueueFact } from "../api.ts";
import { moment } from "../cluster.ts";
import { bytes, cores, count, percent, timeOfDay } from "../format.ts";
import { Bar, Figure, Key } from "../parts/bits.tsx";
import { type Column, Table } from "../parts/table.tsx";
import { useResource } from "../resource.ts";
import { followLink } from "../router.ts";

export function ClusterQueuesPage() {
  const now = moment.value;
  const found = useResource<LiveQueues>("/cluster/queues", now?.revision ?? 0).value;
  const rows = found?.rows ?? [];
  return (
    <>
      {now?.cluster && <Figures now={now.cluster} />}
      <section class="card" aria-labelledby="tree">
        <div class="card-head">
          <h2 id="tree">Who holds what</h2>
          <div class="legend">
            <Key swatch="online">Used within the guarantee</Key>
            <Key swatch="borrowed">Borrowed above it</Key>
            <Key swatch="mark">Guaranteed</Key>
          </div>
        </div>
        {rows.length ? (
          <Table caption="The queue tree, children indented below their parents" columns={QUEUES} rows={scaled(rows, now?.cluster?.sold_cpu_cores ?? 0)} />
        ) : (
          <p class="empty">No queue is known yet.</p>
        )}
      </section>
      <section class="card" aria-labelledby="decisions">
        <div class="card-head">
          <h2 id="decisions">Last decisions</h2>
        </div>
        {found?.decisions.length ? (
          <Table caption="The newest gangs that got a place" columns={DECISIONS} rows={found.decisions} />
        ) : (
          <p class="empty">No gang with a place is there. Submit one, and see kubectl get events if nothing comes.</p>
        )}
      </section>
    </>
  );
}

function Figures({ now }: { now: ClusterFact }) {
  const used = now.sold_cpu_cores ? now.used_cpu_cores / now.sold_cpu_cores : null;
  return (
    <dl class="figures" aria-label="The cluster in figures">
      <Figure name="sold" label="Cores sold to batch" value={cores(now.sold_cpu_cores)}>
        on {count(now.nodes)} nodes{now.closed_nodes > 0 && `, ${count(now.closed_nodes)} closed`}
      </Figure>
      <Figure name="used" label="Used" value={cores(now.used_cpu_cores)}>
        {percent(used)} of what is sold
      </Figure>
      <Figure name="free" label="Free" value={cores(now.free_cpu_cores)}>
        on open nodes
      </Figure>
      <Figure name="memory" label="Memory used" value={bytes(now.used_memory_bytes)}>
        of {bytes(now.sold_memory_bytes)}
      </Figure>
      <Figure name="running" label="Gangs running" value={count(now.running_gangs)}>
        {count(now.running_tasks)} tasks
      </Figure>
      <Figure name="waiting" label="Gangs waiting" value={count(now.waiting_gangs)}>
        {count(now.waiting_tasks)} tasks
      </Figure>
    </dl>
  );
}

type Scaled = QueueFact & { scale: number };

/** All bars have one scale: what the cluster sells, or more where somebody is promised more. */
function scaled(rows: QueueFact[], soldCores: number): Scaled[] {
  const scale = Math.max(soldCores, 1e-9, ...rows.flatMap((one) => [one.used_cpu_cores, one.guaranteed_cpu_cores]));
  return rows.map((row) => ({ ...row, scale }));
}

const QUEUES: Column<Scaled>[] = [
  {
    key: "queue",
    label: "Queue",
    head: true,
    cell: (row) => (
      <span class="branch" style={{ paddingLeft: `${row.depth * 20}px` }}>
        {row.depth > 0 && <span class="twig" aria-hidden="true" />}
        <a href={`/cluster/gangs?queue=${encodeURIComponent(row.queue)}`} onClick={followLink}>
          {row.queue}
        </a>
      </span>
    ),
  },
  {
    key: "bar",
    label: "Cores held",
    wide: true,
    cell: (row) => (
      <Bar
        first={Math.min(row.used_cpu_cores, row.guaranteed_cpu_cores) / row.scale}
        second={Math.max(row.used_cpu_cores - row.guaranteed_cpu_cores, 0) / row.scale}
        mark={row.guaranteed_cpu_cores / row.scale}
      />
    ),
  },
  { key: "used", label: "Used", cell: (row) => cores(row.used_cpu_cores), numeric: true },
  { key: "guaranteed", label: "Guaranteed", cell: (row) => cores(row.guaranteed_cpu_cores), numeric: true },
  { key: "max", label: "At most", cell: (row) => cores(row.max_cpu_cores), numeric: true },
  { key: "weight", label: "Weight", cell: (row) => cores(row.weight), numeric: true },
  { key: "share", label: "Share", cell: (row) => percent(row.share), numeric: true, about: "The larger of its shares of all cores and all memory" },
  { key: "running", label: "Run", cell: (row) => count(row.running_gangs), numeric: true },
  { key: "waiting", label: "Wait", cell: (row) => count(row.waiting_gangs), numeric: true },
  { key: "turn", label: "Turn", cell: (row) => count(row.turn), numeric: true, about: "1 is served next" },
  {
    key: "why",
    label: "Why then",
    wide: true,
    cell: (row) => (
      <>
        {row.why}
        {row.problem && <span class="under">{row.problem}</span>}
      </>
    ),
  },
];

const DECISIONS: Column<DecisionFact>[] = [
  { key: "at", label: "Decided", cell: (row) => timeOfDay(row.at_s), sort: (row) => row.at_s, head: true },
  { key: "gang", label: "Gang", cell: (row) => `${row.namespace}/${row.gang}`, sort: (row) => row.gang },
  { key: "tasks", label: "Tasks", cell: (row) => count(row.tasks), sort: (row) => row.tasks, numeric: true },
  { key: "bound", label: "Bound", cell: (row) => count(row.bound), sort: (row) => row.bound, numeric: true },
  { key: "nodes", label: "Nodes", cell: (row) => named(row.nodes), wide: true },
];

function named(nodes: string[]): string {
  const more = nodes.length > 4 ? ` and ${nodes.length - 4} more` : "";
  return nodes.slice(0, 4).join(", ") + more;
}
