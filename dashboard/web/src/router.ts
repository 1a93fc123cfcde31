/** Where we are: a path names the page, its query what is chosen on it. Every state is a link. */

import { signal } from "@preact/signals";

export interface Place {
  path: string;
  query: URLSearchParams;
}

export const place = signal<Place>(here());

addEventListener("popstate", () => {
  place.value = here();
});

/** Goes to another page as a link would. */
export function go(href: string): void {
  history.pushState(null, "", href);
  place.value = here();
  scrollTo(0, 0);
}

/** Follows a link within the pages; a click that asks for a new tab stays the browser's. */
export function followLink(event: MouseEvent): void {
  const link = event.currentTarget as HTMLAnchorElement;
  if (event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
  event.preventDefault();
  go(link.pathname + link.search);
}

/** Writes a choice into the address without a new step in the history. An empty value is removed. */
export function choose(choices: Record<string, string>): void {
  const query = new URLSearchParams(location.search);
  for (const [name, value] of Object.entries(choices)) {
    if (value) query.set(name, value);
    else query.delete(name);
  }
  const search = query.toString();
  history.replaceState(null, "", location.pathname + (search ? `?${search}` : ""));
  place.value = here();
}

/** What is chosen under a name; empty where nothing is. */
export function chosen(name: string): string {
  return place.value.query.get(name) ?? "";
}

function here(): Place {
  return { path: location.pathname, query: new URLSearchParams(location.search) };
}
