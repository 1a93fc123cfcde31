/** The nodes: all of them over time, and the chosen one core by core. */

import { useCallback } from "preact/hooks";

import type { HeatMap, HeatRow, NodeName, NodeSeries } from "../api.ts";
import { Chart } from "../charts/chart.tsx";
import { type Measure, heatOption } from "../charts/heat.ts";
import { forecastOption, shareOutOption } from "../charts/node.ts";
import type { Palette } from "../charts/palette.ts";
import { clock, cores, count, known, percent } from "../format.ts";
import { progress, run } from "../live.ts";
import { Key, Notice } from "../parts/bits.tsx";
import type { Column } from "../parts/table.tsx";
import { useResource } from "../resource.ts";
import { choose, chosen } from "../router.ts";

const PAGE_ROWS = 100;

export function NodesPage() {
  const revisions = progress.value?.revisions;
  const names = useResource<{ nodes: NodeName[] }>("/node-names", revisions?.run ?? 0).value?.nodes ?? [];
  const cluster = chosen("cluster");
  const listed = cluster ? names.filter((one) => one.cluster === cluster) : names;
  const node = chosen("node") || listed[0]?.node || "";
  const place = Math.max(0, listed.findIndex((one) => one.node === node));
  const offset = Math.floor(place / PAGE_ROWS) * PAGE_ROWS;
  const query = new URLSearchParams({ offset: String(offset), limit: String(PAGE_ROWS), ...(cluster && { cluster }) });
  const map = useResource<HeatMap>(`/nodes?${query}`, revisions?.frames ?? 0);
  const series = useResource<NodeSeries>(
    node ? `/nodes/${encodeURIComponent(node)}` : null,
    (revisions?.frames ?? 0) + (revisions?.reasons ?? 0),
  );

  return (
    <>
      <Chooser names={listed} node={node} place={place} />
      <div class="nodes">
        {map.value ? <Heat map={map.value} node={node} /> : <Notice title="Loading">Reading the heat map.</Notice>}
        <div class="stack">
          <NodeDetail series={series.value} missing={!series.loading && !series.value} node={node} />
        </div>
      </div>
    </>
  );
}

function Chooser({ names, node, place }: { names: NodeName[]; node: string; place: number }) {
  const step = (by: number) => choose({ node: names[place + by]?.node ?? node });
  return (
    <div class="toolbar">
      <label>
        Cluster
        <select
          value={chosen("cluster")}
          onChange={(event) => choose({ cluster: event.currentTarget.value, node: "" })}
        >
          <option value="">All clusters</option>
          {run.value?.clusters.map((cluster) => <option value={cluster}>{cluster}</option>)}
        </select>
      </label>
      <label>
        Node
        <select value={node} onChange={(event) => choose({ node: event.currentTarget.value })}>
          {names.map((one) => (
            <option value={one.node}>{one.node}</option>
          ))}
        </select>
      </label>
      <button type="button" class="button" disabled={place <= 0} onClick={() => step(-1)}>
        Previous node
      </button>
      <button type="button" class="button" disabled={place >= names.length - 1} onClick={() => step(1)}>
        Next node
      </button>
    </div>
  );
}

function Heat({ map, node }: { map: HeatMap; node: string }) {
  const measure: Measure = chosen("show") === "online" ? "utilisation_without" : "utilisation_with";
  const option = useCallback((colours: Palette) => heatOption(map, measure, node, colours), [map, measure, node]);
  const pick = (value: unknown) => {
    const row = Array.isArray(value) ? map.rows[Number(value[1])] : undefined;
    if (row) choose({ node: row.node });
  };
  const range = `${count(map.offset + 1)}–${count(map.offset + map.rows.length)} of ${count(map.total)}`;
  return (
    <Chart
      title="All nodes over time"
      summary={`Utilisation of nodes ${range} over time, one line for each node. The list above chooses a node too.`}
      height={Math.max(240, Math.min(760, map.rows.length * 10 + 40))}
      option={option}
      columns={heatColumns(map, measure)}
      rows={() => map.rows}
      onPick={pick}
      legend={
        <span class="key">
          0 % <i class="ramp" /> 100 %<span class="quiet"> · nodes {range}</span>
        </span>
      }
      controls={
        <label class="inline">
          <span class="unseen">Utilisation shown</span>
          <select
            value={chosen("show")}
            onChange={(event) => choose({ show: event.currentTarget.value })}
          >
            <option value="">With offline work</option>
            <option value="online">Online alone</option>
          </select>
        </label>
      }
    />
  );
}

/** The heat map as a table: a column for each day, since a cell for each hour cannot be read. */
function heatColumns(map: HeatMap, measure: Measure): Column<HeatRow>[] {
  const mean = measure === "utilisation_with" ? "mean_with" : "mean_without";
  const days = [...new Set(map.at_s.map((atS) => Math.floor(atS / 86_400)))];
  const daily = (row: HeatRow, day: number) =>
    average(row[measure].filter((_, k) => Math.floor((map.at_s[k] ?? 0) / 86_400) === day));
  return [
    { key: "node", label: "Node", cell: (row) => row.node, sort: (row) => row.node, head: true },
    { key: "cores", label: "Cores", cell: (row) => cores(row.cpu_cores), sort: (row) => row.cpu_cores, numeric: true },
    { key: "mean", label: "Mean", cell: (row) => percent(row[mean]), sort: (row) => row[mean], numeric: true },
    ...days.map(
      (day): Column<HeatRow> => ({
        key: `day-${day}`,
        label: `Day ${day}`,
        cell: (row) => percent(daily(row, day)),
        sort: (row) => daily(row, day),
        numeric: true,
      }),
    ),
  ];
}

function NodeDetail({ series, missing, node }: { series: NodeSeries | null; missing: boolean; node: string }) {
  const shareOut = useCallback((colours: Palette) => (series ? shareOutOption(series, colours) : {}), [series]);
  const forecast = useCallback((colours: Palette) => (series ? forecastOption(series, colours) : {}), [series]);
  if (missing) return <Notice title="There is no such node">This run has no node named {node}.</Notice>;
  if (!series) return <Notice title="Loading">Reading the node.</Notice>;
  return (
    <>
      <section class="card node-head" aria-labelledby="node">
        <h2 id="node">
          {series.node}
          <span class="quiet">
            {" "}
            · {cores(series.cpu_cores)} cores · {series.cluster}
          </span>
        </h2>
        <p class="reason" data-figure="reason">
          {series.reason}
        </p>
        <p class="quiet" data-figure="node-risk">
          {series.judged_forecasts
            ? `${count(series.exceeded_forecasts)} of ${count(series.judged_forecasts)} forecasts were exceeded.`
            : "No forecast is 24 hours old yet."}
        </p>
      </section>
      <Chart
        title="Who holds the cores"
        summary={`${series.node}: cores used by online, kept for online, sold and run by offline work, of ${cores(series.cpu_cores)}.`}
        height={252}
        option={shareOut}
        columns={NODE_MOMENTS}
        rows={() => nodeMoments(series)}
        legend={
          <>
            <Key swatch="online">Online used</Key>
            <Key swatch="kept">Kept, idle</Key>
            <Key swatch="offline">Offline running</Key>
            <Key swatch="sold">Sold, idle</Key>
          </>
        }
      />
      <Chart
        title="The forecast against what came"
        summary={`${series.node}: cores kept for the next 24 hours beside the highest online use that came in them.`}
        height={220}
        option={forecast}
        columns={NODE_MOMENTS}
        rows={() => nodeMoments(series)}
        legend={
          <>
            <Key swatch="kept">Kept for 24 h</Key>
            <Key swatch="came">Highest that came</Key>
            <Key swatch="bad">Exceeded</Key>
          </>
        }
      />
    </>
  );
}

interface NodeMoment {
  atS: number;
  online: number | null;
  offline: number | null;
  sold: number | null;
  kept: number | null;
  came: number | null;
}

const NODE_MOMENTS: Column<NodeMoment>[] = [
  { key: "at", label: "Time", cell: (row) => clock(row.atS), sort: (row) => row.atS, head: true },
  { key: "online", label: "Online used", cell: (row) => cores(row.online), sort: (row) => row.online, numeric: true },
  { key: "offline", label: "Offline running", cell: (row) => cores(row.offline), sort: (row) => row.offline, numeric: true },
  { key: "sold", label: "Sold", cell: (row) => cores(row.sold), sort: (row) => row.sold, numeric: true },
  { key: "kept", label: "Kept for 24 h", cell: (row) => cores(row.kept), sort: (row) => row.kept, numeric: true },
  { key: "came", label: "Highest that came", cell: (row) => cores(row.came), sort: (row) => row.came, numeric: true },
];

function nodeMoments(series: NodeSeries): NodeMoment[] {
  return series.at_s.map((atS, k) => ({
    atS,
    online: series.online_cores[k] ?? null,
    offline: series.offline_cores[k] ?? null,
    sold: series.sold_cores[k] ?? null,
    kept: series.kept_cores[k] ?? null,
    came: series.came_cores[k] ?? null,
  }));
}

function average(values: (number | null)[]): number | null {
  const seen = values.filter(known);
  return seen.length ? seen.reduce((sum, value) => sum + value, 0) / seen.length : null;
}
