/** Adds a tick's points to those already shown. */

import type { FleetSeries, Overview, Tick } from "./api.ts";

/** The overview with a tick's points in place; null where points between are missing. */
export function merged(shown: Overview, tick: Tick): Overview | null {
  const { series, first_point: first } = tick;
  if (!series || !tick.headline || tick.step_s !== shown.step_s) return null;
  if (first > shown.series.at_s.length) return null;
  const columns = Object.entries(shown.series).map(([name, values]) => [
    name,
    [...(values as unknown[]).slice(0, first), ...series[name as keyof FleetSeries]],
  ]);
  const joined = Object.fromEntries(columns) as unknown as FleetSeries;
  return { ...shown, headline: tick.headline, series: joined, clusters: tick.clusters };
}
