/** The overview: what colocation does to the whole fleet, at what risk, beside every baseline. */

import { useCallback } from "preact/hooks";

import type { ClusterFigures, Headline, Overview, Report } from "../api.ts";
import { Chart } from "../charts/chart.tsx";
import type { Palette } from "../charts/palette.ts";
import { utilisationOption } from "../charts/utilisation.ts";
import { clock, coreHours, cores, count, duration, fromTo, inUnit, known, percent } from "../format.ts";
import { headline, overview, progress, run } from "../live.ts";
import { Bar, Figure, Key } from "../parts/bits.tsx";
import { type Column, Table } from "../parts/table.tsx";
import { Tide } from "../parts/tide.tsx";
import { useResource } from "../resource.ts";

export function OverviewPage() {
  const data = overview.value!;
  return (
    <>
      <Headlines now={headline.value ?? data.headline} />
      <Utilisation data={data} />
      <Baselines />
      <div class="columns">
        <Clusters rows={data.clusters} />
        <About />
      </div>
    </>
  );
}

function Headlines({ now }: { now: Headline }) {
  const kept = known(now.realised_risk) && known(now.promised_risk) && now.realised_risk <= now.promised_risk * 1.5;
  return (
    <section class="headlines" aria-label="Headline figures">
      <Tide without={now.utilisation_without} together={now.utilisation_with} />
      <dl class="figures">
        <Figure name="sold" label="Sold to offline work" value={coreHours(now.sold_core_hours)}>
          {coreHours(now.offline_core_hours)} really used
        </Figure>
        <Figure name="online_lost" label="Online lost" value={percent(now.online_lost_share)}>
          {coreHours(now.online_lost_core_hours)} it asked for
        </Figure>
        <Figure
          name="risk"
          label="Forecasts exceeded"
          value={percent(now.realised_risk)}
          tone={known(now.realised_risk) ? (kept ? "good" : "bad") : undefined}
        >
          {percent(now.promised_risk)} promised, {count(now.judged_forecasts)} judged
        </Figure>
        <Figure name="evicted" label="Evicted tasks" value={count(now.evicted_tasks)}>
          in {duration(now.replayed_s)} replayed
        </Figure>
        <Figure name="running" label="Gangs running" value={count(now.running_gangs)}>
          in all clusters now
        </Figure>
        <Figure name="pending" label="Gangs waiting" value={count(now.pending_gangs)}>
          why: see Gangs and queues
        </Figure>
      </dl>
    </section>
  );
}

interface Moment {
  atS: number;
  without: number | null;
  together: number | null;
  sold: number | null;
  kept: number | null;
  evicted: number;
}

const MOMENTS: Column<Moment>[] = [
  { key: "at", label: "Time", cell: (row) => clock(row.atS), sort: (row) => row.atS, head: true },
  { key: "without", label: "Online alone", cell: (row) => percent(row.without), sort: (row) => row.without, numeric: true },
  { key: "with", label: "With offline work", cell: (row) => percent(row.together), sort: (row) => row.together, numeric: true },
  { key: "sold", label: "Sold", cell: (row) => percent(row.sold), sort: (row) => row.sold, numeric: true },
  { key: "kept", label: "Kept for online", cell: (row) => percent(row.kept), sort: (row) => row.kept, numeric: true },
  { key: "evicted", label: "Evicted tasks", cell: (row) => count(row.evicted), sort: (row) => row.evicted, numeric: true },
];

function Utilisation({ data }: { data: Overview }) {
  const startS = run.value?.train_until_s ?? data.series.at_s[0] ?? 0;
  const endS = run.value?.end_s ?? data.series.at_s.at(-1) ?? startS + 1;
  const option = useCallback((colours: Palette) => utilisationOption(data, [startS, endS], colours), [data, startS, endS]);
  const words = fromTo(percent(data.headline.utilisation_without), percent(data.headline.utilisation_with));
  return (
    <Chart
      title="Utilisation over time"
      summary={`CPU utilisation of all nodes over time, online use below and offline work on top of it. Mean ${words}.`}
      height={300}
      option={option}
      columns={MOMENTS}
      rows={() => moments(data)}
      legend={
        <>
          <Key swatch="online">Online</Key>
          <Key swatch="offline">Offline work, running</Key>
          <Key swatch="kept-line">Kept for online by the forecast</Key>
        </>
      }
    />
  );
}

function moments({ series }: Overview): Moment[] {
  return series.at_s.map((atS, k) => ({
    atS,
    without: series.utilisation_without[k] ?? null,
    together: series.utilisation_with[k] ?? null,
    sold: series.sold_share[k] ?? null,
    kept: series.kept_share[k] ?? null,
    evicted: series.evicted_tasks[k] ?? 0,
  }));
}

function Baselines() {
  const report = useResource<Report>("/report", progress.value?.revisions.report ?? 0).value;
  return (
    <section class="card report" aria-labelledby="baselines">
      <div class="card-head">
        <h2 id="baselines">Beside the baselines</h2>
        <p class="quiet">The same trace, the same jobs, every policy in the same simulator.</p>
      </div>
      {report?.rows.length ? (
        <Table
          caption="Every policy's figures"
          columns={reportColumns(report)}
          rows={report.rows}
          rowClass={(row) => (row["policy"] === report.ours ? "ours" : "")}
        />
      ) : (
        <p class="empty">The report is made when the replay is over.</p>
      )}
    </section>
  );
}

type ReportRow = Report["rows"][number];

function reportColumns(report: Report): Column<ReportRow>[] {
  return report.columns.map((column) => {
    const bar = column.key === "utilisation";
    return {
      key: column.key,
      label: column.unit === "core_hours" ? `${column.label}, core\u2011hours` : column.label,
      about: column.about,
      numeric: column.unit !== "text",
      head: column.key === "policy",
      sort: (row) => row[column.key],
      cell: (row) => {
        const value = row[column.key] ?? null;
        return (
          <>
            {bar && <Bar first={value as number} />}
            {inUnit(value, column.unit)}
          </>
        );
      },
    };
  });
}

const CLUSTERS: Column<ClusterFigures>[] = [
  { key: "cluster", label: "Cluster", cell: (row) => row.cluster, sort: (row) => row.cluster, head: true },
  { key: "nodes", label: "Nodes", cell: (row) => count(row.nodes), sort: (row) => row.nodes, numeric: true },
  { key: "cores", label: "Cores", cell: (row) => cores(row.cpu_cores), sort: (row) => row.cpu_cores, numeric: true },
  {
    key: "utilisation",
    label: "Utilisation",
    cell: (row) => (
      <>
        <Bar first={row.utilisation_without} second={(row.utilisation_with ?? 0) - (row.utilisation_without ?? 0)} />
        {fromTo(percent(row.utilisation_without), percent(row.utilisation_with))}
      </>
    ),
    sort: (row) => row.utilisation_with,
    numeric: true,
  },
  { key: "sold", label: "Sold", cell: (row) => coreHours(row.sold_core_hours), sort: (row) => row.sold_core_hours, numeric: true },
];

function Clusters({ rows }: { rows: ClusterFigures[] }) {
  return (
    <section class="card" aria-labelledby="clusters">
      <div class="card-head">
        <h2 id="clusters">Clusters</h2>
      </div>
      <Table caption="Figures of each cluster" columns={CLUSTERS} rows={rows} />
    </section>
  );
}

function About() {
  const details = run.value;
  if (!details) return null;
  return (
    <section class="card" aria-labelledby="about">
      <div class="card-head">
        <h2 id="about">This run</h2>
      </div>
      <dl class="facts">
        <dt>Trace</dt>
        <dd>{details.name}</dd>
        <dt>Learned from</dt>
        <dd>
          {clock(details.start_s)} to {clock(details.train_until_s)}
        </dd>
        <dt>Replayed</dt>
        <dd>
          {clock(details.train_until_s)} to {clock(details.end_s)}, every {duration(details.interval_s)}
        </dd>
        <dt>Promise</dt>
        <dd>at most {percent(details.cpu_risk)} of 24-hour forecasts exceeded</dd>
        <dt>Seed</dt>
        <dd>{details.seed}</dd>
        <dt>Machine</dt>
        <dd>{details.machine}</dd>
      </dl>
    </section>
  );
}
