/** What this server shows: a replay, a live cluster, or node agents alone. */

import { signal } from "@preact/signals";

import { type Source, read } from "./api.ts";

export const source = signal<Source["kind"]>("replay");

const RETRY_MS = 2_000;

/** Asks until it is known. */
export async function ask(): Promise<Source["kind"]> {
  for (;;) {
    try {
      const found = await read<Source>("/source");
      source.value = found?.kind ?? "replay";
      return source.value;
    } catch {
      await new Promise((wake) => setTimeout(wake, RETRY_MS));
    }
  }
}
