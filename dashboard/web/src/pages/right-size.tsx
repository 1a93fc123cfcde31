/** Right-sizing: requests as declared beside what the history says is enough, and why. */

import { useMemo, useState } from "preact/hooks";

import type { Recommendation, RecommendationTable } from "../api.ts";
import { bytes, change, cores, count, fromTo, known, percent } from "../format.ts";
import { progress } from "../live.ts";
import { Bar, Notice } from "../parts/bits.tsx";
import { type Column, Table } from "../parts/table.tsx";
import { useResource } from "../resource.ts";
import { choose, chosen } from "../router.ts";

const SHOWN_AT_ONCE = 200;

export function RightSizePage() {
  const revision = progress.value?.revisions.recommendations ?? 0;
  const table = useResource<RecommendationTable>("/recommendations", revision);
  const query = chosen("q");
  const matching = useMemo(() => (table.value?.rows ?? []).filter(contains(query)), [table.value, query]);
  const [pages, setPages] = useState(1);

  if (!table.value) return <Notice title="Loading">Reading the recommendations.</Notice>;
  if (!table.value.total) {
    return <Notice title="No recommendations yet">They are made when the past has been learned.</Notice>;
  }
  const shown = matching.slice(0, pages * SHOWN_AT_ONCE);
  return (
    <section class="card" aria-labelledby="requests">
      <div class="card-head">
        <h2 id="requests">Requests as declared and as recommended</h2>
        <p class="quiet" data-figure="saving">
          {saving(table.value)}
        </p>
      </div>
      <div class="toolbar">
        <label>
          Filter
          <input
            type="search"
            value={query}
            placeholder="workload, namespace or container"
            onInput={(event) => choose({ q: event.currentTarget.value })}
          />
        </label>
        <p class="quiet" role="status" data-figure="matching">
          {count(matching.length)} of {count(table.value.total)} containers
        </p>
      </div>
      <Table
        caption="Recommendations"
        columns={COLUMNS}
        rows={shown}
        tall
        sorted={{ key: "cpu-change", falling: false }}
      />
      {matching.length > shown.length && (
        <p class="more">
          <button type="button" class="button" onClick={() => setPages(pages + 1)}>
            Show {count(Math.min(SHOWN_AT_ONCE, matching.length - shown.length))} more
          </button>
        </p>
      )}
    </section>
  );
}

const COLUMNS: Column<Recommendation>[] = [
  {
    key: "workload",
    label: "Workload",
    head: true,
    sort: (row) => `${row.namespace}/${row.workload}`,
    cell: (row) => (
      <>
        {row.workload}
        <span class="under">
          {row.namespace} · {row.kind} × {count(row.replicas)}
        </span>
      </>
    ),
  },
  { key: "container", label: "Container", cell: (row) => row.container, sort: (row) => row.container },
  {
    key: "cpu",
    label: "CPU request, cores",
    numeric: true,
    sort: (row) => row.cpu_request_cores,
    cell: (row) => (
      <>
        {fromTo(cores(row.cpu_request_cores), cores(row.recommended_cpu_request_cores))}
        <span class="under">
          <Bar first={ratio(row.recommended_cpu_request_cores, row.cpu_request_cores)} />
        </span>
      </>
    ),
  },
  {
    key: "cpu-change",
    label: "Change",
    numeric: true,
    sort: (row) => wholeChange(row),
    cell: (row) => (
      <span class={tone(row.cpu_request_cores, row.recommended_cpu_request_cores)}>
        {change(row.cpu_request_cores, row.recommended_cpu_request_cores)}
        <span class="under">{known(wholeChange(row)) && `${signed(wholeChange(row)!)} cores in all`}</span>
      </span>
    ),
  },
  {
    key: "memory",
    label: "Memory request",
    numeric: true,
    sort: (row) => row.memory_request_bytes,
    cell: (row) => (
      <>
        {fromTo(bytes(row.memory_request_bytes), bytes(row.recommended_memory_request_bytes))}
        <span class="under">{change(row.memory_request_bytes, row.recommended_memory_request_bytes)}</span>
      </>
    ),
  },
  {
    key: "confidence",
    label: "Confidence",
    numeric: true,
    sort: (row) => row.confidence,
    cell: (row) => percent(row.confidence),
  },
  {
    key: "reason",
    label: "Reason",
    wide: true,
    cell: (row) => row.reason,
  },
];

function saving(table: RecommendationTable): string {
  const words = fromTo(cores(table.cpu_request_cores), cores(table.recommended_cpu_request_cores));
  return `${words} cores requested (${change(table.cpu_request_cores, table.recommended_cpu_request_cores)})`;
}

function contains(query: string): (row: Recommendation) => boolean {
  const wanted = query.trim().toLowerCase();
  return (row) => `${row.namespace}/${row.workload}/${row.container}`.toLowerCase().includes(wanted);
}

/** Cores by which all replicas together would change. */
function wholeChange(row: Recommendation): number | null {
  const { cpu_request_cores: now, recommended_cpu_request_cores: then, replicas } = row;
  return known(now) && known(then) ? (then - now) * replicas : null;
}

function ratio(part: number | null, whole: number | null): number | null {
  return known(part) && known(whole) && whole > 0 ? part / whole : null;
}

function tone(before: number | null, after: number | null): string {
  if (!known(before) || !known(after)) return "";
  return after < before ? "less" : "more-cores";
}

function signed(value: number): string {
  return `${value < 0 ? "−" : "+"}${cores(Math.abs(value))}`;
}
