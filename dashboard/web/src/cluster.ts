/** The live cluster: one event stream feeds this signal, and the cluster's pages read it. */

import { signal } from "@preact/signals";

import type { Moment } from "./api.ts";
import { connection } from "./live.ts";

export const moment = signal<Moment | null>(null);

/** Opens the stream; the browser reconnects by itself when it breaks. */
export function followCluster(): void {
  const events = new EventSource("/api/v1/cluster/events");
  events.addEventListener("tick", (event) => {
    moment.value = JSON.parse(event.data as string) as Moment;
  });
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
