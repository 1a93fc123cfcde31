/** The live run: one event stream feeds these signals, and every page reads them. */

import { signal } from "@preact/signals";

import { type Headline, type Overview, type Progress, type Run, type RunDetails, type Tick, read } from "./api.ts";
import { merged } from "./points.ts";

export type Connection = "connecting" | "live" | "lost" | "stopped";

export const connection = signal<Connection>("connecting");
export const progress = signal<Progress | null>(null);
export const run = signal<RunDetails | null>(null);
export const overview = signal<Overview | null>(null);
export const headline = signal<Headline | null>(null);

const RETRY_MS = 3_000;

let shownRun = 0;
let loading = false;

/** Opens the stream; the browser reconnects by itself when it breaks. */
export function follow(): void {
  const events = new EventSource("/api/v1/events");
  events.addEventListener("tick", (event) => take(JSON.parse(event.data as string) as Tick));
  events.addEventListener("bye", () => {
    connection.value = "stopped";
  });
  events.addEventListener("open", () => {
    connection.value = "live";
  });
  events.addEventListener("error", () => {
    if (connection.value !== "stopped") connection.value = "lost";
  });
}

function take(tick: Tick): void {
  progress.value = tick.progress;
  headline.value = tick.headline;
  const next = overview.value && tick.series && merged(overview.value, tick);
  const known = shownRun === tick.progress.revisions.run;
  if (known && next) overview.value = next;
  else if (tick.series) void reload(tick.progress.revisions.run);
}

/** Reads the whole run: at the first tick, after a gap, and when a new run has begun. */
async function reload(runRevision: number): Promise<void> {
  if (loading) return;
  loading = true;
  try {
    const [details, all] = await Promise.all([read<Run>("/run"), read<Overview>("/overview")]);
    run.value = details?.run ?? null;
    overview.value = all;
    shownRun = runRevision;
  } catch {
    setTimeout(() => void reload(runRevision), RETRY_MS);
  } finally {
    loading = false;
  }
}
