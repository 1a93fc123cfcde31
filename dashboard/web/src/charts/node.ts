/** One node's cores: what was kept and used from below, what was sold above it, up to capacity. */

import type { Maybe, NodeSeries } from "../api.ts";
import { clock, cores, known } from "../format.ts";
import { timeAxis, tooltip, tooltipBox, valueAxis } from "./axes.ts";
import type { Palette } from "./palette.ts";
import { area } from "./utilisation.ts";

/** Online use, the idle rest of what is kept, offline work that runs, the idle rest of what is sold. */
export function shareOutOption(data: NodeSeries, colours: Palette): Record<string, unknown> {
  const idleKept = above(data.kept_cores, data.online_cores);
  const idleSold = above(data.sold_cores, data.offline_cores);
  const hatch = { symbol: "rect", dashArrayX: [1, 0], dashArrayY: [2, 3], rotation: Math.PI / 4, color: colours.kept };
  return {
    ...frame(data, data.cpu_cores ?? undefined, colours, shareOutHint),
    series: [
      area("online", points(data, data.online_cores), colours.online, "cores"),
      {
        ...area("kept", points(data, idleKept), colours.surface, "cores"),
        itemStyle: { color: colours.kept, decal: hatch },
        areaStyle: { color: colours.surface, opacity: 1 },
      },
      area("offline", points(data, data.offline_cores), colours.offline, "cores"),
      area("sold", points(data, idleSold), colours.sold, "cores"),
      capacity(data, colours),
    ],
  };
}

/** What the forecast kept against the highest online use that came in its 24 hours. */
export function forecastOption(data: NodeSeries, colours: Palette): Record<string, unknown> {
  const exceeded = data.came_cores.map((came, k) => {
    const kept = data.kept_cores[k];
    return known(came) && known(kept) && came > kept ? came : null;
  });
  return {
    ...frame(data, undefined, colours, forecastHint),
    series: [
      {
        ...line("kept", points(data, data.kept_cores), colours.kept),
        areaStyle: { color: colours.kept, opacity: 0.16 },
        step: "end",
      },
      { ...line("came", points(data, data.came_cores), colours.came), step: "end" },
      { ...line("online", points(data, data.online_cores), colours.online), lineStyle: { width: 1 } },
      {
        ...line("bad", points(data, exceeded), colours.bad),
        step: "end",
        lineStyle: { width: 3 },
      },
    ],
  };
}

type Hint = (data: NodeSeries, k: number) => HTMLElement;

function frame(data: NodeSeries, most: number | undefined, colours: Palette, hint: Hint): Record<string, unknown> {
  return {
    animation: false,
    grid: { left: 40, right: 22, top: 12, bottom: 28 },
    xAxis: timeAxis(data.start_s, data.end_s, colours),
    yAxis: valueAxis(colours, most, cores),
    dataZoom: [{ type: "inside", zoomOnMouseWheel: "ctrl", moveOnMouseMove: false }],
    tooltip: {
      ...tooltip(colours),
      trigger: "axis",
      formatter: (hits: { dataIndex: number }[]) => hint(data, hits[0]?.dataIndex ?? 0),
    },
  };
}

function shareOutHint(data: NodeSeries, k: number): HTMLElement {
  return tooltipBox(clock(data.at_s[k]), [
    { swatch: "sold", label: "Sold", value: cores(data.sold_cores[k]) },
    { swatch: "offline", label: "Offline running", value: cores(data.offline_cores[k]) },
    { swatch: "kept", label: "Kept for online", value: cores(data.kept_cores[k]) },
    { swatch: "online", label: "Online used", value: cores(data.online_cores[k]) },
  ]);
}

function forecastHint(data: NodeSeries, k: number): HTMLElement {
  return tooltipBox(clock(data.at_s[k]), [
    { swatch: "kept", label: "Kept for the next 24 h", value: cores(data.kept_cores[k]) },
    { swatch: "came", label: "Highest that came", value: cores(data.came_cores[k]) },
    { swatch: "online", label: "Online used now", value: cores(data.online_cores[k]) },
  ]);
}

function capacity(data: NodeSeries, colours: Palette): object {
  const ends = [data.start_s, data.end_s].map((atS) => [atS, data.cpu_cores]);
  return {
    ...line("capacity", ends, colours.quiet),
    lineStyle: { width: 1.5, type: [6, 4] },
  };
}

function line(name: string, data: unknown[], colour: string): object {
  return { name, type: "line", data, symbol: "none", color: colour, lineStyle: { width: 1.8 }, emphasis: { disabled: true } };
}

function points(data: NodeSeries, values: Maybe[]): [number, Maybe][] {
  return data.at_s.map((atS, k) => [atS, values[k] ?? null]);
}

/** What of `upper` is left above `lower`; null where either is unknown. */
function above(upper: Maybe[], lower: Maybe[]): Maybe[] {
  return upper.map((value, k) => {
    const under = lower[k];
    return known(value) && known(under) ? Math.max(0, value - under) : null;
  });
}
