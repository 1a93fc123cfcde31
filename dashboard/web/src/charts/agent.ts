/** A node agent's last minutes: pressure, stage, cores and latency above one another on one time axis. */

import type { AgentEvent, AgentSeries, Maybe } from "../api.ts";
import { clockTime, cores, known, milliseconds, percent } from "../format.ts";
import { FONT, tooltip, tooltipBox, valueAxis } from "./axes.ts";
import type { Palette } from "./palette.ts";
import { area } from "./utilisation.ts";

export const AGENT_HEIGHT = 760;

interface Panel {
  name: string;
  /** Share of the height that is its own. */
  part: number;
  write: (value: number) => string;
  most?: (data: AgentSeries) => number | undefined;
  lines: (data: AgentSeries, colours: Palette) => object[];
}

const STAGES = ["calm", "1", "2", "3", "evict"];

const PANELS: Panel[] = [
  {
    name: "Pressure",
    part: 0.24,
    write: (value) => percent(value),
    lines: (data, colours) => [
      line("CPU stall", data, data.online_full_share, colours.bad),
      line("disk stall", data, data.io_full_share, colours.kept),
      { ...line("memory", data, data.memory_used_share, colours.quiet), lineStyle: { width: 1, type: [4, 4] } },
    ],
  },
  {
    name: "Stage",
    part: 0.2,
    write: (value) => STAGES[value] ?? String(value),
    most: () => 4,
    lines: (data, colours) => [
      stage("CPU", data, data.cpu_stage, colours.bad),
      stage("disk", data, data.disk_stage, colours.kept),
      stage("memory", data, data.memory_stage, colours.online),
      stage("network", data, data.network_stage, colours.offline),
    ],
  },
  {
    name: "Cores",
    part: 0.28,
    write: cores,
    lines: (data, colours) => [
      // Batch is the lower area, so that its quota can be read against it.
      area("batch", points(data, data.offline_used_cores), colours.offline, "cores"),
      area("online", points(data, data.online_used_cores), colours.online, "cores"),
      { ...line("quota", data, data.quota_cores, colours.ink), step: "end", lineStyle: { width: 1.6, type: [6, 4] } },
    ],
  },
  {
    name: "Latency",
    part: 0.28,
    write: milliseconds,
    lines: (data, colours) => [line("worst", data, data.latency_s, colours.came)],
  },
];
const GAP_PX = 34;
const FOOT_PX = 28;

export function agentOption(data: AgentSeries, events: AgentEvent[], colours: Palette): Record<string, unknown> {
  const room = AGENT_HEIGHT - FOOT_PX - GAP_PX * PANELS.length;
  let top = GAP_PX;
  const grid = PANELS.map((panel) => {
    const height = room * panel.part;
    const placed = { left: 64, right: 36, top, height, outerBoundsMode: "none" };
    top += height + GAP_PX;
    return placed;
  });
  return {
    animation: false,
    grid,
    axisPointer: { link: [{ xAxisIndex: "all" }] },
    xAxis: PANELS.map((_, k) => ({ ...clockAxis(data, colours, k === PANELS.length - 1), gridIndex: k })),
    yAxis: PANELS.map((panel, k) => ({
      ...valueAxis(colours, panel.most?.(data), panel.write),
      gridIndex: k,
      name: panel.name,
      nameTextStyle: { color: colours.ink, fontFamily: FONT, fontWeight: 600, align: "left", padding: [0, 0, 0, -56] },
    })),
    tooltip: {
      ...tooltip(colours),
      trigger: "axis",
      formatter: (hits: { value?: [number, Maybe] }[]) => hint(data, hits[0]?.value?.[0]),
    },
    series: PANELS.flatMap((panel, k) =>
      [...panel.lines(data, colours), evicted(data, events, tallest(panel, data), colours)].map((one) => ({
        ...one,
        xAxisIndex: k,
        yAxisIndex: k,
      })),
    ),
  };
}

function clockAxis(data: AgentSeries, colours: Palette, labelled: boolean): object {
  const [first, last] = [data.at_s[0] ?? 0, data.at_s.at(-1) ?? 1];
  return {
    type: "value",
    min: first,
    max: Math.max(last, first + 1),
    axisLabel: { show: labelled, color: colours.quiet, fontFamily: FONT, hideOverlap: true, formatter: (at: number) => clockTime(at) },
    axisLine: { lineStyle: { color: colours.line } },
    axisTick: { show: false },
    splitLine: { show: false },
    axisPointer: { label: { show: false } },
  };
}

/** A line from the foot to the head of a panel where somebody had to go. */
function evicted(data: AgentSeries, events: AgentEvent[], most: number, colours: Palette): object {
  const first = data.at_s[0] ?? 0;
  const marks = events
    .filter((one) => one.kind === "eviction" && one.at_s >= first)
    .flatMap((one) => [[one.at_s, 0], [one.at_s, most], [one.at_s, null]]);
  return { name: "eviction", type: "line", data: marks, symbol: "none", silent: true, color: colours.bad, lineStyle: { width: 1.5, type: [2, 3] } };
}

function tallest(panel: Panel, data: AgentSeries): number {
  if (panel.name === "Stage") return 4;
  const columns = {
    Pressure: [data.online_full_share, data.io_full_share, data.memory_used_share],
    Cores: [data.quota_cores, sum(data.online_used_cores, data.offline_used_cores)],
    Latency: [data.latency_s],
  }[panel.name];
  return Math.max(0, ...(columns ?? []).flat().filter(known));
}

function sum(one: Maybe[], other: Maybe[]): Maybe[] {
  return one.map((value, k) => (known(value) ? value + (other[k] ?? 0) : null));
}

function hint(data: AgentSeries, atS: number | undefined): HTMLElement {
  const k = Math.round(((atS ?? 0) - (data.at_s[0] ?? 0)) / data.step_s);
  return tooltipBox(clockTime(data.at_s[k]), [
    { swatch: "bad", label: "CPU stall of online", value: percent(data.online_full_share[k]) },
    { swatch: "kept", label: "Disk stall of online", value: percent(data.io_full_share[k]) },
    { swatch: "online", label: "Online used", value: cores(data.online_used_cores[k]) },
    { swatch: "offline", label: "Batch used", value: cores(data.offline_used_cores[k]) },
    { swatch: "mark", label: "Batch's quota", value: cores(data.quota_cores[k]) },
    { swatch: "came", label: "Worst latency", value: milliseconds(data.latency_s[k]) },
  ]);
}

function stage(name: string, data: AgentSeries, values: Maybe[], colour: string): object {
  return { ...line(name, data, values, colour), step: "middle" };
}

function line(name: string, data: AgentSeries, values: Maybe[], colour: string): object {
  return { name, type: "line", data: points(data, values), symbol: "none", color: colour, lineStyle: { width: 1.8 }, emphasis: { disabled: true } };
}

function points(data: AgentSeries, values: Maybe[]): [number, Maybe][] {
  return data.at_s.map((at, k) => [at, values[k] ?? null]);
}
