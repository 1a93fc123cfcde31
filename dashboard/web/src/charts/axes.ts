/** Axes, grid and tooltip that all charts share. */

import { axisClock } from "../format.ts";
import type { Palette } from "./palette.ts";

const HOUR_S = 3_600;
const TICK_STEPS_S = [1, 2, 3, 6, 12, 24, 48, 168, 336].map((hours) => hours * HOUR_S);

export const FONT = 'system-ui, "Segoe UI", Roboto, "Noto Sans", sans-serif';

/** The smallest step of whole hours that makes at most `most` ticks. */
export function tickStepS(spanS: number, most: number): number {
  return TICK_STEPS_S.find((step) => spanS / step <= most) ?? TICK_STEPS_S.at(-1)!;
}

export function timeAxis(startS: number, endS: number, colours: Palette) {
  return {
    type: "value" as const,
    min: startS,
    max: endS,
    interval: tickStepS(endS - startS, 10),
    axisLabel: {
      color: colours.quiet,
      fontFamily: FONT,
      hideOverlap: true,
      formatter: (atS: number) => (atS > endS ? "" : axisClock(atS)),
    },
    axisLine: { lineStyle: { color: colours.line } },
    axisTick: { show: false },
    splitLine: { show: false },
    axisPointer: { label: { show: false } },
  };
}

export function valueAxis(colours: Palette, most: number | undefined, write: (value: number) => string) {
  return {
    type: "value" as const,
    min: 0,
    ...(most === undefined ? { splitNumber: 4 } : { max: most, interval: most / 4 }),
    axisLabel: { color: colours.quiet, fontFamily: FONT, formatter: write },
    splitLine: { lineStyle: { color: colours.line } },
  };
}

export interface TooltipRow {
  swatch: string;
  label: string;
  value: string;
}

/** A tooltip built from elements, not from markup: nothing in it can be taken for a tag. */
export function tooltipBox(title: string, rows: TooltipRow[]): HTMLElement {
  const box = document.createElement("div");
  box.className = "tooltip";
  const head = box.appendChild(document.createElement("strong"));
  head.textContent = title;
  for (const row of rows) {
    const line = box.appendChild(document.createElement("div"));
    line.className = "tooltip-row";
    const swatch = line.appendChild(document.createElement("i"));
    swatch.className = `swatch ${row.swatch}`;
    line.append(row.label);
    line.appendChild(document.createElement("b")).textContent = row.value;
  }
  return box;
}

export function tooltip(colours: Palette) {
  return {
    confine: true,
    backgroundColor: colours.surface,
    borderColor: colours.line,
    padding: 0,
    transitionDuration: 0,
    textStyle: { color: colours.ink, fontFamily: FONT },
  };
}
