/** The strip under the header: the virtual clock and how much of the replay is done. */

import { clock, percent } from "../format.ts";
import { type Connection, connection, progress, run } from "../live.ts";
import type { State } from "../api.ts";

const STATES: Record<State, string> = {
  waiting: "Waiting",
  training: "Learning",
  replaying: "Replaying",
  finished: "Finished",
  failed: "Failed",
};
export const CONNECTIONS: Record<Connection, string> = {
  connecting: "connecting",
  live: "connected",
  lost: "connection lost, trying again",
  stopped: "the server has stopped",
};

export function ProgressStrip() {
  const now = progress.value;
  const share = now?.share ?? 0;
  const state = now ? STATES[now.state] : "Connecting";
  return (
    <div class="strip">
      <div class="strip-words">
        <span class={`state ${now?.state ?? ""}`}>{state}</span>
        {(now?.state === "training" || now?.state === "failed") && <span>{now.message}</span>}
        <span class="clock" data-figure="clock">
          {clock(now?.now_s)}
        </span>
        <span data-figure="progress">{percent(share)} replayed</span>
        <span class="strip-name">
          {run.value && `${run.value.name}: ${run.value.node_count} nodes, seed ${run.value.seed}`}
        </span>
        <span class={`connection ${connection.value}`}>{CONNECTIONS[connection.value]}</span>
      </div>
      <progress max={1} value={share} aria-label="Replayed" />
      <p class="unseen" aria-live="polite">
        {spoken(state, share, connection.value)}
      </p>
    </div>
  );
}

/** Said aloud only when the state or the tenth changes, not at every tick. */
function spoken(state: string, share: number, link: Connection): string {
  const tenth = Math.floor(share * 10) * 10;
  const trouble = link === "lost" || link === "stopped" ? `, ${CONNECTIONS[link]}` : "";
  return `${state}, ${tenth} per cent replayed${trouble}.`;
}
