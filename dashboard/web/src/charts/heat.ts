/** All nodes over time as one picture: a line for each node, a cell for each stretch of hours. */

import type { HeatMap } from "../api.ts";
import { axisClock, clock, known, percent } from "../format.ts";
import { FONT, tickStepS, tooltip, tooltipBox } from "./axes.ts";
import type { Palette } from "./palette.ts";

export type Measure = "utilisation_with" | "utilisation_without";

export function heatOption(map: HeatMap, measure: Measure, node: string, colours: Palette): Record<string, unknown> {
  const columns = Math.max(1, Math.ceil((map.end_s - map.start_s) / map.column_s));
  const chosen = map.rows.findIndex((row) => row.node === node);
  return {
    animation: false,
    grid: { left: 84, right: 12, top: 8, bottom: 28 },
    xAxis: columnAxis(map, columns, colours),
    yAxis: nodeAxis(map, colours),
    visualMap: { show: false, min: 0, max: 1, dimension: 2, seriesIndex: 0, inRange: { color: colours.tide } },
    tooltip: {
      ...tooltip(colours),
      formatter: (hit: { value: [number, number, number] }) => hint(map, hit.value),
    },
    series: [
      {
        type: "heatmap",
        data: cells(map, measure),
        progressive: 0,
        emphasis: { itemStyle: { borderColor: colours.ink, borderWidth: 1 } },
      },
      borders(map, columns, colours),
      frameAround(chosen, columns, colours),
    ],
  };
}

function cells(map: HeatMap, measure: Measure): [number, number, number][] {
  return map.rows.flatMap((row, line) =>
    row[measure].flatMap((share, column): [number, number, number][] =>
      known(share) ? [[column, line, share]] : [],
    ),
  );
}

function columnAxis(map: HeatMap, columns: number, colours: Palette): object {
  const every = Math.max(1, Math.round(tickStepS(map.end_s - map.start_s, 8) / map.column_s));
  return {
    type: "category",
    data: Array.from({ length: columns }, (_, k) => map.start_s + k * map.column_s),
    axisLabel: {
      color: colours.quiet,
      fontFamily: FONT,
      interval: (k: number) => k % every === 0,
      formatter: (atS: string) => axisClock(Number(atS)),
      align: "left",
    },
    axisLine: { lineStyle: { color: colours.line } },
    axisTick: { show: false },
  };
}

/** Names the cluster where its first node stands; a node's own name is in the hint and the list. */
function nodeAxis(map: HeatMap, colours: Palette): object {
  const first = map.rows.map((row, k) => row.cluster !== map.rows[k - 1]?.cluster);
  return {
    type: "category",
    inverse: true,
    data: map.rows.map((row) => row.node),
    axisLabel: {
      color: colours.quiet,
      fontFamily: FONT,
      interval: (k: number) => first[k] ?? false,
      formatter: (_: string, k: number) => map.rows[k]?.cluster ?? "",
      width: 74,
      overflow: "truncate",
    },
    axisLine: { show: false },
    axisTick: { show: false },
  };
}

interface Coordinates {
  coord(point: [number, number]): [number, number];
  size(span: [number, number]): [number, number];
}

/** A thin line above the first node of each cluster. */
function borders(map: HeatMap, columns: number, colours: Palette): object {
  const lines = map.rows.flatMap((row, k) => (k > 0 && row.cluster !== map.rows[k - 1]?.cluster ? [k] : []));
  return {
    type: "custom",
    silent: true,
    data: lines.map((line) => [0, line]),
    renderItem: (hit: { dataIndex: number }, at: Coordinates) => {
      const [left, middle] = at.coord([0, lines[hit.dataIndex] ?? 0]);
      const [width, height] = at.size([1, 1]);
      const shape = { x: left - width / 2, y: middle - height / 2 - 1, width: width * columns, height: 2 };
      return { type: "rect", shape, style: { fill: colours.surface } };
    },
  };
}

function frameAround(line: number, columns: number, colours: Palette): object {
  return {
    type: "custom",
    silent: true,
    data: line < 0 ? [] : [[0, line]],
    renderItem: (_: unknown, at: Coordinates) => {
      const [left, middle] = at.coord([0, line]);
      const [width, height] = at.size([1, 1]);
      const shape = { x: left - width / 2, y: middle - height / 2 - 1, width: width * columns, height: height + 2 };
      return { type: "rect", shape, style: { fill: "none", stroke: colours.ink, lineWidth: 2 } };
    },
  };
}

function hint(map: HeatMap, [column, line, share]: [number, number, number]): HTMLElement {
  const row = map.rows[line];
  const title = `${row?.node ?? ""}, ${clock(map.start_s + column * map.column_s)}`;
  return tooltipBox(title, [
    { swatch: "offline", label: "With offline work", value: percent(row?.utilisation_with[column] ?? share) },
    { swatch: "online", label: "Online alone", value: percent(row?.utilisation_without[column]) },
  ]);
}
