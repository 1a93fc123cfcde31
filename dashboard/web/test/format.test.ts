import assert from "node:assert/strict";
import { test } from "node:test";

import * as format from "../src/format.ts";

const plain = (text: string) => text.replaceAll("\u00a0", " ");

const table: [string, string, string][] = [
  ["a real time is the same for everybody", format.timeOfDay(1_767_225_605.9), "2026-01-01 00:00:05 UTC"],
  ["an unknown time", format.timeOfDay(null), "–"],
  ["a share", format.percent(0.112), "11.2 %"],
  ["a small share keeps its digits", format.percent(0.00041), "0.041 %"],
  ["a share below what can be shown", format.percent(3e-7), "< 0.001 %"],
  ["no share at all", format.percent(0), "0 %"],
  ["an unknown share", format.percent(null), "–"],
  ["a share that is not a number", format.percent(Number.NaN), "–"],
  ["a shrinking request", format.change(2, 0.46), "−77 %"],
  ["a growing request", format.change(1, 1.5), "+50 %"],
  ["no change", format.change(1, 1.001), "±0 %"],
  ["a change from nothing", format.change(0, 1), "–"],
  ["core-hours with a thousands mark", format.coreHours(12_345.4), "12,345 core-hours"],
  ["few core-hours keep their digits", format.coreHours(0.0123), "0.012 core-hours"],
  ["how many times as much", format.times(0.185, 0.722), "3.9 ×"],
  ["how many times nothing", format.times(0, 1), "–"],
  ["the whole", format.percent(1), "100 %"],
  ["small cores", format.cores(0.0456), "0.0456"],
  ["many cores", format.cores(1234.5), "1,235"],
  ["bytes", format.bytes(1.5 * 2 ** 30), "1.5 GiB"],
  ["seconds", format.duration(12), "12 s"],
  ["minutes", format.duration(540), "9 min"],
  ["hours", format.duration(14_820), "4 h 7 min"],
  ["days", format.duration(3 * 86_400), "3 d"],
  ["the virtual clock", format.clock(17 * 86_400 + 3 * 3_600), "day 17 03:00"],
  ["midnight on an axis", format.axisClock(17 * 86_400), "day 17"],
  ["within a day on an axis", format.axisClock(17 * 86_400 + 6 * 3_600), "06:00"],
  ["a time of day within minutes", format.clockTime(1_700_000_000.4), "22:13:20"],
  ["no time of day", format.clockTime(null), "–"],
  ["a short time", format.milliseconds(0.0123), "12.3 ms"],
  ["a longer one", format.milliseconds(1.234), "1.23 s"],
  ["a report cell by its unit", format.inUnit(120, "s"), "2 min"],
  ["a report cell of core-hours", format.inUnit(81_345.2, "core_hours"), "81,345"],
  ["a report cell of text", format.inUnit("oracle", "text"), "oracle"],
  ["a report cell nobody knows", format.inUnit(null, "count"), "–"],
];

for (const [name, actual, expected] of table) {
  test(name, () => assert.equal(plain(actual), expected));
}
