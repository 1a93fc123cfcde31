/** An answer of the API that is read again when its revision grows. */

import { useEffect, useRef, useState } from "preact/hooks";

import { read } from "./api.ts";

const REST_MS = 2_500; // between two readings of the same path, so that a fast replay is not felt
const RETRY_MS = 4_000;

export interface Resource<Answer> {
  /** The newest answer for this path; null where there is none yet. */
  value: Answer | null;
  /** Whether the first answer for this path is still awaited. */
  loading: boolean;
  problem: string | null;
}

/** Reads `path` now and whenever `revision` changes; null reads nothing. */
export function useResource<Answer>(path: string | null, revision: number): Resource<Answer> {
  const [shown, setShown] = useState<{ path: string; value: Answer | null } | null>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const [attempt, setAttempt] = useState(0);
  const last = useRef({ path: "", atMs: 0 });

  useEffect(() => {
    if (path === null) return;
    const aborting = new AbortController();
    const rested = last.current.path === path ? last.current.atMs + REST_MS - Date.now() : 0;
    let timer = setTimeout(load, Math.max(0, rested));

    async function load(): Promise<void> {
      last.current = { path: path!, atMs: Date.now() };
      try {
        const value = await read<Answer>(path!, aborting.signal);
        setShown({ path: path!, value });
        setProblem(null);
      } catch (error) {
        if (aborting.signal.aborted) return;
        setProblem(error instanceof Error ? error.message : String(error));
        timer = setTimeout(() => setAttempt((count) => count + 1), RETRY_MS);
      }
    }

    return () => {
      clearTimeout(timer);
      aborting.abort();
    };
  }, [path, revision, attempt]);

  const current = shown?.path === path ? shown : null;
  return { value: current?.value ?? null, loading: path !== null && !current && !problem, problem };
}
