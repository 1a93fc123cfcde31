/** The strip under the header of a live cluster: who plans, how fresh this is, what is not seen. */

import { moment } from "../cluster.ts";
import { duration, timeOfDay } from "../format.ts";
import { connection } from "../live.ts";
import { CONNECTIONS } from "./progress.tsx";

export function ClusterStrip() {
  const now = moment.value;
  const planner = now?.planner;
  return (
    <div class="strip">
      <div class="strip-words">
        <span class={`state ${planner?.alive ? "finished" : "failed"}`} data-figure="planner">
          {planner ? (planner.alive ? "Planner at work" : "No planner at work") : "No planner seen"}
        </span>
        {planner && (
          <span>
            {planner.holder}, heard of {duration(planner.heard_s)} before
          </span>
        )}
        <span class="clock">{timeOfDay(now?.at_s)}</span>
        <span class={`connection ${connection.value}`}>{CONNECTIONS[connection.value]}</span>
      </div>
      {now?.unseen.map((sentence) => <p class="strip-words unseen-words">Not seen: {sentence}</p>)}
      <p class="unseen" aria-live="polite">
        {planner?.alive === false ? "No planner is at work." : ""}
        {connection.value === "lost" || connection.value === "stopped" ? CONNECTIONS[connection.value] : ""}
      </p>
    </div>
  );
}
