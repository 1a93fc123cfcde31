import assert from "node:assert/strict";
import { test } from "node:test";

import type { FleetSeries, Headline, Overview, Tick } from "../src/api.ts";
import { merged } from "../src/points.ts";

const headline = { evicted_tasks: 3 } as Headline;

function series(atS: number[], level: number): FleetSeries {
  const column = atS.map(() => level);
  return {
    at_s: atS,
    utilisation_without: column,
    utilisation_with: column,
    sold_share: column,
    kept_share: column,
    running_gangs: column,
    pending_gangs: column,
    evicted_tasks: column,
  };
}

const shown: Overview = {
  step_s: 10,
  cpu_cores: 4,
  headline: { evicted_tasks: 0 } as Headline,
  series: series([0, 10, 20], 0.1),
  clusters: [],
};
const tick = (first: number, atS: number[]) =>
  ({ headline, step_s: 10, first_point: first, series: series(atS, 0.2) }) as Tick;

test("the last point is replaced and new ones follow", () => {
  const next = merged(shown, tick(2, [20, 30]));
  assert.deepEqual(next?.series.at_s, [0, 10, 20, 30]);
  assert.deepEqual(next?.series.utilisation_with, [0.1, 0.1, 0.2, 0.2]);
  assert.equal(next?.headline.evicted_tasks, 3);
});

test("a gap asks for the whole run again", () => {
  assert.equal(merged(shown, tick(4, [40])), null);
});

test("points of another width ask for the whole run again", () => {
  assert.equal(merged(shown, { ...tick(2, [20]), step_s: 20 }), null);
});

test("what is shown is left as it was", () => {
  merged(shown, tick(1, [10]));
  assert.deepEqual(shown.series.at_s, [0, 10, 20]);
});
