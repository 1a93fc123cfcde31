/** Numbers into words. Unknown is a dash, never 0; a unit never breaks away from its number. */

const DAY_S = 86_400;
const HOUR_S = 3_600;
const GAP = "\u00a0"; // no-break space between a number and its unit

export type Known = number | null | undefined;

export const DASH = "–";
export const ARROW = "→";

const whole = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
const tenths = new Intl.NumberFormat("en-US", { maximumFractionDigits: 1 });

export function count(value: Known): string {
  return known(value) ? whole.format(value) : DASH;
}

/** A share as per cent: more digits the smaller it is, so that 0.04 % is not 0.0 %. */
export function percent(share: Known): string {
  if (!known(share)) return DASH;
  const value = share * 100;
  const size = Math.abs(value);
  if (value === 0) return `0${GAP}%`;
  if (size < 0.001) return `<${GAP}0.001${GAP}%`;
  const digits = size < 0.1 ? 3 : size < 1 ? 2 : size < 100 ? 1 : 0;
  return `${value.toFixed(digits)}${GAP}%`;
}

/** How many times as much, "3.6 ×". */
export function times(before: Known, after: Known): string {
  if (!known(before) || !known(after) || before === 0) return DASH;
  const ratio = after / before;
  return `${ratio < 10 ? ratio.toFixed(1) : whole.format(ratio)}${GAP}×`;
}

/** A change as signed per cent, with the real minus sign. */
export function change(before: Known, after: Known): string {
  if (!known(before) || !known(after) || before === 0) return DASH;
  const value = Math.round((after / before - 1) * 100);
  if (value === 0) return `±0${GAP}%`;
  return `${value > 0 ? "+" : "−"}${whole.format(Math.abs(value))}${GAP}%`;
}

export function fromTo(before: string, after: string): string {
  return `${before} ${ARROW} ${after}`;
}

export function coreHours(value: Known): string {
  if (!known(value)) return DASH;
  const small = Math.abs(value) < 10;
  return `${small ? Number(value.toPrecision(2)) : whole.format(value)}${GAP}core-hours`;
}

/** Cores to three significant digits, so that 0.046 and 46 are both readable. */
export function cores(value: Known): string {
  if (!known(value)) return DASH;
  return Math.abs(value) >= 100 ? whole.format(value) : String(Number(value.toPrecision(3)));
}

export function bytes(value: Known): string {
  if (!known(value)) return DASH;
  const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
  let left = value;
  let unit = 0;
  while (Math.abs(left) >= 1024 && unit < units.length - 1) {
    left /= 1024;
    unit += 1;
  }
  return `${Number(left.toPrecision(3))}${GAP}${units[unit]}`;
}

/** A length of time in its two largest units. */
export function duration(seconds: Known): string {
  if (!known(seconds)) return DASH;
  const total = Math.round(seconds);
  if (total < 60) return `${total}${GAP}s`;
  const minutes = Math.floor(total / 60);
  if (minutes < 60) return `${minutes}${GAP}min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return joined(hours, "h", minutes % 60, "min");
  return joined(Math.floor(hours / 24), "d", hours % 24, "h");
}

/** The virtual clock: "day 17 03:00", days counted from the trace's origin. */
export function clock(atS: Known): string {
  if (!known(atS)) return DASH;
  const day = Math.floor(atS / DAY_S);
  const hour = Math.floor((atS % DAY_S) / HOUR_S);
  const minute = Math.floor((atS % HOUR_S) / 60);
  return `day ${day} ${pad(hour)}:${pad(minute)}`;
}

/** A real time, "2026-11-22 19:04:52 UTC": the same for everybody on call. */
export function timeOfDay(atS: Known): string {
  if (!known(atS)) return DASH;
  return `${new Date(atS * 1000).toISOString().slice(0, 19).replace("T", " ")} UTC`;
}

/** A real time within the minutes that are looked at, "19:04:52". */
export function clockTime(atS: Known): string {
  return known(atS) ? new Date(atS * 1000).toISOString().slice(11, 19) : DASH;
}

/** A short time, "12.3 ms" or "1.2 s". */
export function milliseconds(seconds: Known): string {
  if (!known(seconds)) return DASH;
  return seconds < 1 ? `${Number((seconds * 1000).toPrecision(3))}${GAP}ms` : `${Number(seconds.toPrecision(3))}${GAP}s`;
}

/** The virtual clock on an axis: only the day at midnight, only the time within a day. */
export function axisClock(atS: number): string {
  const sinceMidnight = atS % DAY_S;
  return sinceMidnight === 0 ? `day ${atS / DAY_S}` : clock(atS).split(" ")[2]!;
}

/** A number in the unit a report column names; core-hours are named in the column's head. */
export function inUnit(value: string | Known, unit: string): string {
  if (typeof value === "string") return value;
  const writers: Record<string, (value: Known) => string> = {
    share: percent,
    cores,
    core_hours: (one) => (known(one) ? (Math.abs(one) < 10 ? tenths : whole).format(one) : DASH),
    s: duration,
    bytes,
    count,
  };
  return (writers[unit] ?? ((one: Known) => (known(one) ? tenths.format(one) : DASH)))(value);
}

export function known(value: Known): value is number {
  return value !== null && value !== undefined && Number.isFinite(value);
}

function joined(large: number, largeUnit: string, small: number, smallUnit: string): string {
  const head = `${large}${GAP}${largeUnit}`;
  return small ? `${head} ${small}${GAP}${smallUnit}` : head;
}

function pad(value: number): string {
  return String(value).padStart(2, "0");
}
