/** A node's agent: what presses, what is held back and how latency answers, on one time axis. */

import { useCallback, useEffect, useState } from "preact/hooks";

import type { AgentEvent, AgentName, AgentSeries, AgentView, Maybe } from "../api.ts";
import { AGENT_HEIGHT, agentOption } from "../charts/agent.ts";
import { Chart } from "../charts/chart.tsx";
import type { Palette } from "../charts/palette.ts";
import { DASH, clockTime, cores, count, known, milliseconds, percent, timeOfDay } from "../format.ts";
import { Figure, Key, Notice } from "../parts/bits.tsx";
import { type Column, Table } from "../parts/table.tsx";
import { useResource } from "../resource.ts";
import { choose, chosen } from "../router.ts";

const EVERY_MS = 1_000;

export function AgentPage() {
  const beat = useBeat();
  const names = useResource<{ rows: AgentName[] }>("/agents", 0).value?.rows;
  const agent = Number(chosen("agent")) || 0;
  const view = useResource<AgentView>(names?.length ? `/agents/${agent}` : null, beat).value;
  if (!names) return <Notice title="Connecting">Asking the server which agents it may look at.</Notice>;
  if (!names.length) {
    return (
      <Notice title="No node agent was named">
        Start this server with <code>--agent URL</code> for an agent's address, or with <code>--agent /run/slacktide</code>{" "}
        on the node itself. An agent is started by the chart, or by <code>slacktide serve agent</code>.
      </Notice>
    );
  }
  return (
    <>
      {names.length > 1 && <Chooser names={names} agent={agent} />}
      {view ? <Agent view={view} /> : <Notice title="Loading">Asking the agent for its diary.</Notice>}
    </>
  );
}

/** Grows once a second, so that what is shown is read again. */
function useBeat(): number {
  const [beat, setBeat] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => setBeat((count) => count + 1), EVERY_MS);
    return () => clearInterval(timer);
  }, []);
  return beat;
}

function Chooser({ names, agent }: { names: AgentName[]; agent: number }) {
  return (
    <div class="toolbar">
      <label>
        Agent
        <select value={String(agent)} onChange={(event) => choose({ agent: event.currentTarget.value })}>
          {names.map((one) => (
            <option value={String(one.agent)}>{one.where}</option>
          ))}
        </select>
      </label>
    </div>
  );
}

function Agent({ view }: { view: AgentView }) {
  const { series, events } = view;
  return (
    <>
      {view.problem && (
        <Notice title="No news from the agent">
          {view.problem}. Look at it with <code>slacktide doctor node</code> on the node
          {series ? "; below is what was known before." : "."}
        </Notice>
      )}
      {series && <Figures view={view} series={series} />}
      {series && <TimeAxis view={view} series={series} />}
      {!series && !view.problem && <Notice title="No tick yet">The agent has begun and tells its first tick in a moment.</Notice>}
      {(series || events.length > 0) && (
        <section class="card" aria-labelledby="told">
          <div class="card-head">
            <h2 id="told">What it did</h2>
          </div>
          {events.length ? (
            <Table caption="The diary's sentences, newest first" columns={EVENTS} rows={events} tall />
          ) : (
            <p class="empty">Nothing has happened since the agent began.</p>
          )}
        </section>
      )}
    </>
  );
}

function Figures({ view, series }: { view: AgentView; series: AgentSeries }) {
  const stages = { CPU: series.cpu_stage, disk: series.disk_stage, memory: series.memory_stage, network: series.network_stage };
  const raised = Object.entries(stages).filter(([, values]) => (last(values) ?? 0) > 0);
  return (
    <dl class="figures" aria-label="The node in figures">
      <Figure name="agent" label={view.node || "Agent"} value={view.alive ? "alive" : "silent"} tone={view.alive ? undefined : "bad"}>
        {known(view.heartbeat_age_s) ? `heard of ${milliseconds(Math.max(view.heartbeat_age_s, 0))} ago` : "not heard of"}
        {known(view.started_s) && `, since ${timeOfDay(view.started_s)}`}
      </Figure>
      <Figure name="stage" label="Stage" value={raised.length ? raised.map(([name, values]) => `${name} ${last(values)}`).join(", ") : "calm"} tone={raised.length ? "bad" : undefined}>
        worst in these minutes: {count(Math.max(0, ...Object.values(stages).flat().filter(known)))}
      </Figure>
      <Figure name="quota" label="Batch's quota" value={known(last(series.quota_cores)) ? `${cores(last(series.quota_cores))} cores` : "none"}>
        batch uses {cores(last(series.offline_used_cores))}, online {cores(last(series.online_used_cores))}
      </Figure>
      <Figure name="pressure" label="Online stalled for CPU" value={percent(last(series.online_full_share))}>
        for disk {percent(last(series.io_full_share))}
      </Figure>
      <Figure name="latency" label="Worst latency" value={milliseconds(last(series.latency_s))}>
        {known(last(series.requests_per_s)) ? `${percent(last(series.slow_share))} of requests slow` : "no service tells it"}
      </Figure>
      <Figure name="evictions" label="Evictions" value={count(view.evictions)} tone={view.evictions ? "bad" : undefined}>
        that the diary still tells of
      </Figure>
    </dl>
  );
}

function TimeAxis({ view, series }: { view: AgentView; series: AgentSeries }) {
  const option = useCallback((colours: Palette) => agentOption(series, view.events, colours), [series, view.events]);
  const span = `${Math.round((series.at_s.at(-1) ?? 0) - (series.at_s[0] ?? 0) + series.step_s)} s`;
  return (
    <Chart
      title={`The last ${span}`}
      summary={`${view.node || view.where}: stalls of online, stage of each resource, cores used with batch's quota, and the worst latency, over the last ${span}. The table has the same figures.`}
      height={AGENT_HEIGHT}
      option={option}
      columns={STEPS}
      rows={() => steps(series)}
      legend={
        <>
          <Key swatch="bad">CPU</Key>
          <Key swatch="kept">Disk</Key>
          <Key swatch="online">Online · memory's stage</Key>
          <Key swatch="offline">Batch · network's stage</Key>
          <span class="quiet">dashed: memory used, batch's quota; dotted: an eviction</span>
        </>
      }
    />
  );
}

interface Step {
  atS: number;
  full: Maybe;
  io: Maybe;
  stage: string;
  online: Maybe;
  batch: Maybe;
  quota: Maybe;
  latency: Maybe;
}

const STEPS: Column<Step>[] = [
  { key: "at", label: "Time (UTC)", cell: (row) => clockTime(row.atS), sort: (row) => row.atS, head: true },
  { key: "full", label: "CPU stall", cell: (row) => percent(row.full), sort: (row) => row.full, numeric: true },
  { key: "io", label: "Disk stall", cell: (row) => percent(row.io), sort: (row) => row.io, numeric: true },
  { key: "stage", label: "Stage CPU/disk/memory/network", cell: (row) => row.stage, sort: (row) => row.stage },
  { key: "online", label: "Online", cell: (row) => cores(row.online), sort: (row) => row.online, numeric: true },
  { key: "batch", label: "Batch", cell: (row) => cores(row.batch), sort: (row) => row.batch, numeric: true },
  { key: "quota", label: "Quota", cell: (row) => cores(row.quota), sort: (row) => row.quota, numeric: true },
  { key: "latency", label: "Worst latency", cell: (row) => milliseconds(row.latency), sort: (row) => row.latency, numeric: true },
];

function steps(series: AgentSeries): Step[] {
  const stages = [series.cpu_stage, series.disk_stage, series.memory_stage, series.network_stage];
  return series.at_s.map((atS, k) => ({
    atS,
    full: series.online_full_share[k] ?? null,
    io: series.io_full_share[k] ?? null,
    stage: stages.map((values) => values[k] ?? DASH).join(" / "),
    online: series.online_used_cores[k] ?? null,
    batch: series.offline_used_cores[k] ?? null,
    quota: series.quota_cores[k] ?? null,
    latency: series.latency_s[k] ?? null,
  }));
}

const EVENTS: Column<AgentEvent>[] = [
  { key: "at", label: "Time (UTC)", cell: (row) => clockTime(row.at_s), sort: (row) => row.at_s, head: true },
  { key: "kind", label: "About", cell: (row) => row.kind, sort: (row) => row.kind },
  { key: "text", label: "What", cell: (row) => row.text, wide: true },
];

function last(values: Maybe[]): Maybe {
  return values.at(-1) ?? null;
}
