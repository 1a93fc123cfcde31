/** A live cluster's gangs: what each has and needs, what blocks it, when it starts; and one, told. */

import type { GangFact, LiveGang, LiveGangs, LiveQueues } from "../api.ts";
import { moment } from "../cluster.ts";
import { DASH, bytes, cores, count, duration, known, timeOfDay } from "../format.ts";
import { type Column, Table } from "../parts/table.tsx";
import { useResource } from "../resource.ts";
import { choose, chosen } from "../router.ts";

const STATES = ["queued", "admitted", "preempted", "suspended", "running", "resumed", "failed", "done"];

export function ClusterGangsPage() {
  const revision = moment.value?.revision ?? 0;
  const [queue, state, q, gang] = [chosen("queue"), chosen("state"), chosen("q"), chosen("gang")];
  const asked = new URLSearchParams({ limit: "1000" });
  for (const [name, value] of Object.entries({ queue, state, q })) if (value) asked.set(name, value);
  const gangs = useResource<LiveGangs>(`/cluster/gangs?${asked}`, revision).value;
  const queues = useResource<LiveQueues>("/cluster/queues", revision).value?.rows ?? [];
  return (
    <>
      {gang && <Told gang={gang} revision={revision} />}
      <section class="card" aria-labelledby="gangs">
        <div class="card-head">
          <h2 id="gangs">{queue ? `Gangs in ${queue}` : "All gangs"}</h2>
          <p class="quiet" data-figure="shown">
            {count(gangs?.total)} match
          </p>
        </div>
        <div class="toolbar">
          <label>
            Find
            <input
              type="search"
              value={q}
              placeholder="namespace/name"
              onInput={(event) => choose({ q: event.currentTarget.value })}
            />
          </label>
          <label>
            Queue
            <select value={queue} onChange={(event) => choose({ queue: event.currentTarget.value })}>
              <option value="">All queues</option>
              {queues.map((one) => (
                <option value={one.queue}>{one.queue}</option>
              ))}
            </select>
          </label>
          <label>
            State
            <select value={state} onChange={(event) => choose({ state: event.currentTarget.value })}>
              <option value="">All states</option>
              {STATES.map((one) => (
                <option value={one}>{one}</option>
              ))}
            </select>
          </label>
        </div>
        {gangs?.rows.length ? (
          <Table
            caption="Gangs, those that wait first"
            columns={GANGS}
            rows={gangs.rows}
            tall
            rowClass={(row) => (key(row) === gang ? "ours" : "")}
          />
        ) : (
          <p class="empty">No gang matches. A gang shows as soon as its first pod or its Job is there.</p>
        )}
      </section>
    </>
  );
}

/** One gang in sentences, above the list. */
function Told({ gang, revision }: { gang: string; revision: number }) {
  const path = gang.split("/").map(encodeURIComponent).join("/");
  const { value: told, loading } = useResource<LiveGang>(`/cluster/gangs/${path}`, revision);
  const name = gang.split("/").slice(1).join("/");
  return (
    <section class="card" aria-labelledby="told">
      <div class="card-head">
        <h2 id="told">{name}</h2>
        {told && <State gang={told.gang} />}
        <div class="controls">
          <button type="button" class="button" onClick={() => choose({ gang: "" })}>
            Close
          </button>
        </div>
      </div>
      {told ? (
        <>
          <div class="told">
            {told.sentences.map((sentence) => (
              <p>{sentence}</p>
            ))}
          </div>
          <dl class="facts">
            <dt>Submitted</dt>
            <dd>{timeOfDay(told.gang.submit_s)}</dd>
            <dt>Priority</dt>
            <dd>{count(told.gang.priority)}</dd>
            <dt>Expected to run</dt>
            <dd>{known(told.gang.duration_s) ? duration(told.gang.duration_s) : "nobody said"}</dd>
            <dt>Asks for</dt>
            <dd>
              {cores(told.gang.cpu_cores)} cores, {bytes(told.gang.memory_bytes)}
            </dd>
            <dt>Nodes</dt>
            <dd>{told.gang.nodes.join(", ") || "none yet"}</dd>
          </dl>
        </>
      ) : (
        <p class="empty">{loading ? "Reading it." : "There is no such gang now: it has ended and its pods are gone."}</p>
      )}
    </section>
  );
}

function State({ gang }: { gang: GangFact }) {
  return <span class={`badge ${gang.state}`}>{gang.state}</span>;
}

function key(row: GangFact): string {
  return [row.way_in, row.namespace || "-", row.gang].join("/");
}

/** When it starts, seen from the moment that the page shows. */
function starts(row: GangFact): string {
  if (!known(row.position)) return known(row.start_s) ? "now" : DASH;
  const nowS = moment.value?.at_s ?? row.start_s ?? 0;
  if (!known(row.start_s)) return known(row.start_after_s) ? `after ${duration(row.start_after_s - nowS)}` : "not foreseen";
  const aheadS = row.start_s - nowS;
  return aheadS <= 0 ? "now" : `in ${duration(aheadS)}`;
}

const GANGS: Column<GangFact>[] = [
  {
    key: "gang",
    label: "Gang",
    head: true,
    sort: (row) => row.gang,
    cell: (row) => (
      <button type="button" class="link" onClick={() => choose({ gang: key(row) })}>
        {row.gang}
        <span class="under">
          {row.namespace} · {row.way_in}
        </span>
      </button>
    ),
  },
  { key: "queue", label: "Queue", cell: (row) => row.queue, sort: (row) => row.queue },
  { key: "state", label: "State", cell: (row) => <State gang={row} />, sort: (row) => row.state },
  {
    key: "have",
    label: "Have / need",
    numeric: true,
    sort: (row) => row.have / Math.max(row.need, 1),
    cell: (row) => (
      <>
        {count(row.have)} / {count(row.need)}
        {row.wanted !== row.need && <span class="under">at most {count(row.wanted)}</span>}
      </>
    ),
  },
  {
    key: "place",
    label: "Place",
    about: "In the line of its queue; 1 is next",
    numeric: true,
    sort: (row) => row.position,
    cell: (row) => (known(row.position) ? `${count(row.position)} of ${count(row.line)}` : DASH),
  },
  { key: "waiting", label: "Waiting", cell: (row) => duration(row.waiting_s), sort: (row) => row.waiting_s, numeric: true },
  { key: "starts", label: "Starts", cell: starts, sort: (row) => row.start_s, numeric: true },
  {
    key: "cause",
    label: "What blocks it",
    wide: true,
    sort: (row) => row.cause,
    cell: (row) =>
      row.cause ? (
        <>
          <code>{row.cause}</code>
          <span class="under">{row.reason}</span>
        </>
      ) : (
        <span class="quiet">{row.reason}</span>
      ),
  },
];
