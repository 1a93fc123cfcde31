/** The fleet over time: online use, and what offline work adds on top of it. */

import type { Overview } from "../api.ts";
import { clock, known, percent } from "../format.ts";
import { timeAxis, tooltip, tooltipBox, valueAxis } from "./axes.ts";
import type { Palette } from "./palette.ts";

export function utilisationOption(data: Overview, span: [number, number], colours: Palette): Record<string, unknown> {
  const { series } = data;
  const points = (values: (number | null)[]) => series.at_s.map((atS, k) => [atS, values[k] ?? null]);
  const added = series.utilisation_with.map((together, k) => {
    const alone = series.utilisation_without[k];
    return known(together) && known(alone) ? together - alone : null;
  });
  return {
    animation: false,
    grid: { left: 48, right: 22, top: 12, bottom: 28 },
    xAxis: timeAxis(...span, colours),
    yAxis: valueAxis(colours, 1, (share) => `${Math.round(share * 100)} %`),
    dataZoom: [{ type: "inside", zoomOnMouseWheel: "ctrl", moveOnMouseMove: false }],
    tooltip: {
      ...tooltip(colours),
      trigger: "axis",
      formatter: (hits: { dataIndex: number }[]) => hint(data, hits[0]?.dataIndex ?? 0),
    },
    series: [
      area("online", points(series.utilisation_without), colours.online, "use"),
      area("offline", points(added), colours.offline, "use"),
      // A dashed line on a plain one, so that it is seen on every ground.
      keptLine(points(series.kept_share), { color: colours.surface, width: 4, opacity: 0.85 }),
      keptLine(points(series.kept_share), { color: colours.kept, width: 2, type: [6, 4] }),
    ],
  };
}

function keptLine(data: unknown[], lineStyle: object): object {
  return { type: "line", data, symbol: "none", step: "end", lineStyle, emphasis: { disabled: true } };
}

export function area(name: string, data: unknown[], colour: string, stack: string): object {
  return {
    name,
    type: "line",
    data,
    stack,
    stackStrategy: "all",
    symbol: "none",
    color: colour,
    lineStyle: { width: 0.5, color: colour }, // closes the seam between two areas
    areaStyle: { color: colour, opacity: 1 },
    emphasis: { disabled: true },
  };
}

function hint({ series }: Overview, k: number): HTMLElement {
  return tooltipBox(clock(series.at_s[k]), [
    { swatch: "offline", label: "With offline work", value: percent(series.utilisation_with[k]) },
    { swatch: "online", label: "Online alone", value: percent(series.utilisation_without[k]) },
    { swatch: "kept", label: "Kept for online", value: percent(series.kept_share[k]) },
    { swatch: "sold", label: "Sold", value: percent(series.sold_share[k]) },
  ]);
}
