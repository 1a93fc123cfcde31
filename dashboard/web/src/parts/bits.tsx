/** Small parts that several pages show: the logo, a figure, a bar, a notice. */

import type { ComponentChildren } from "preact";

import { known } from "../format.ts";

export function Logo() {
  return (
    <svg class="logo" viewBox="0 0 32 32" width="28" height="28" aria-hidden="true">
      <rect width="32" height="32" rx="8" fill="#163f70" />
      <path d="M0 14c5.3-5 10.7-5 16 0s10.7 5 16 0v10a8 8 0 0 1-8 8H8a8 8 0 0 1-8-8z" fill="#1ba39c" />
      <path d="M0 21c5.3-4 10.7-4 16 0s10.7 4 16 0v3a8 8 0 0 1-8 8H8a8 8 0 0 1-8-8z" fill="#8fd8d2" />
    </svg>
  );
}

export interface FigureProps {
  label: string;
  value: string;
  /** A figure's name in the page, so that a test finds it. */
  name: string;
  tone?: "good" | "bad" | undefined;
  children?: ComponentChildren;
}

/** One number, large, with its name above and what it means below. */
export function Figure({ label, value, name, tone, children }: FigureProps) {
  return (
    <div class={`figure ${tone ?? ""}`}>
      <dt>{label}</dt>
      <dd>
        <span class="value" data-figure={name}>
          {value}
        </span>
        <span class="note">{children}</span>
      </dd>
    </div>
  );
}

/** A bar with up to two parts, in shares of its length. For the eye only: the numbers stand beside. */
export function Bar({ first, second, mark }: { first: number | null; second?: number | null; mark?: number | null }) {
  const start = clamp(first);
  const rest = Math.min(clamp(second ?? 0), 1 - start);
  return (
    <span class="bar" aria-hidden="true">
      <span class="bar-first" style={{ width: `${start * 100}%` }} />
      <span class="bar-second" style={{ width: `${rest * 100}%` }} />
      {known(mark) && <span class="bar-mark" style={{ left: `${clamp(mark) * 100}%` }} />}
    </span>
  );
}

export function Notice({ title, children }: { title: string; children?: ComponentChildren }) {
  return (
    <div class="card notice">
      <svg viewBox="0 0 120 24" width="120" height="24" aria-hidden="true">
        <path d="M0 12c10-10 20-10 30 0s20 10 30 0 20-10 30 0 20 10 30 0" fill="none" stroke="currentColor" stroke-width="3" stroke-linecap="round" />
      </svg>
      <h2>{title}</h2>
      <p>{children}</p>
    </div>
  );
}

export function Key({ swatch, children }: { swatch: string; children: ComponentChildren }) {
  return (
    <span class="key">
      <i class={`swatch ${swatch}`} />
      {children}
    </span>
  );
}

function clamp(share: number | null | undefined): number {
  return known(share) ? Math.max(0, Math.min(1, share)) : 0;
}
