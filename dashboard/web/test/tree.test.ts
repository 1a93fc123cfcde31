import assert from "node:assert/strict";
import { test } from "node:test";

import type { QueueRow } from "../src/api.ts";
import { branches } from "../src/tree.ts";

function queue(name: string, parent: string | null, used = 1): QueueRow {
  return {
    name,
    parent,
    guaranteed_cores: 1,
    max_cores: null,
    weight: 1,
    used_cores: used,
    borrowed_cores: 0,
    pending_gangs: 0,
  };
}

test("each queue stands right below its parent", () => {
  const lines = branches([queue("root", null), queue("a", "root"), queue("b", "root"), queue("a/x", "a")]);
  assert.deepEqual(
    lines.map((line) => `${line.depth} ${line.name}`),
    ["0 root", "1 a", "2 a/x", "1 b"],
  );
});

test("a queue without a known parent is not lost", () => {
  assert.deepEqual(branches([queue("a", "gone")]).map((line) => line.depth), [0]);
});

test("all bars share the scale of the longest", () => {
  const scales = branches([queue("a", null, 50), queue("b", null, 2)]).map((line) => line.scale);
  assert.deepEqual(scales, [50.5, 50.5]);
});

test("no queues make no lines", () => {
  assert.deepEqual(branches([]), []);
});
