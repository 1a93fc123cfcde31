/** The tide gauge: how high the fleet stands with online work alone, and with offline work added. */

import { fromTo, known, percent, times } from "../format.ts";
import type { Maybe } from "../api.ts";

const WIDTH = 480;
const HEIGHT = 200;

export function Tide({ without, together }: { without: Maybe; together: Maybe }) {
  return (
    <div class="tide">
      <svg class="water" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" aria-hidden="true">
        {known(together) && <path class="high" d={wave(together, 0)} />}
        {known(without) && <path class="low" d={wave(without, 60)} />}
      </svg>
      <div class="tide-words">
        <span class="tide-label">CPU utilisation of all nodes, without → with offline work</span>
        <span class="tide-value" data-figure="utilisation">
          {fromTo(percent(without), percent(together))}
        </span>
        <span class="tide-note">{known(without) && known(together) ? `${times(without, together)} the work on the same machines` : "nothing replayed yet"}</span>
      </div>
    </div>
  );
}

/** A closed path filled up to a share of the height, its surface four long swells. */
function wave(share: number, shift: number): string {
  const level = HEIGHT * (1 - Math.max(0, Math.min(1, share)));
  const surface = Array.from({ length: 41 }, (_, k) => {
    const x = (k / 40) * WIDTH;
    return `${x.toFixed(0)} ${(level + 5 * Math.sin(((x + shift) / WIDTH) * 8 * Math.PI)).toFixed(1)}`;
  });
  return `M ${surface.join(" L ")} L ${WIDTH} ${HEIGHT} L 0 ${HEIGHT} Z`;
}
