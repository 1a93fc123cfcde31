/** Light or dark: the system's choice until the reader makes one, which is remembered. */

import { signal } from "@preact/signals";

export type Theme = "light" | "dark";

const KEY = "slacktide.theme";
const system = matchMedia("(prefers-color-scheme: dark)");

export const theme = signal<Theme>(current());

system.addEventListener("change", () => {
  theme.value = current();
});

export function switchTheme(): void {
  const next: Theme = theme.value === "dark" ? "light" : "dark";
  document.documentElement.dataset["theme"] = next;
  try {
    localStorage.setItem(KEY, next);
  } catch {
    // Storage is forbidden: the choice lasts as long as the page.
  }
  theme.value = next;
}

function current(): Theme {
  const remembered = document.documentElement.dataset["theme"];
  if (remembered === "light" || remembered === "dark") return remembered;
  return system.matches ? "dark" : "light";
}
