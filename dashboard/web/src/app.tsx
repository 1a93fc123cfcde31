/** The frame around every page: where you are, how far the run is, light or dark. */

import { useEffect, useRef } from "preact/hooks";

import { overview, progress } from "./live.ts";
import { OverviewPage } from "./pages/overview.tsx";
import { NodesPage } from "./pages/nodes.tsx";
import { QueuesPage } from "./pages/queues.tsx";
import { RightSizePage } from "./pages/right-size.tsx";
import { Logo, Notice } from "./parts/bits.tsx";
import { ProgressStrip } from "./parts/progress.tsx";
import { go, place } from "./router.ts";
import { switchTheme, theme } from "./theme.ts";

const PAGES = [
  { path: "/", name: "Overview", page: OverviewPage },
  { path: "/nodes", name: "Nodes", page: NodesPage },
  { path: "/right-size", name: "Right-size", page: RightSizePage },
  { path: "/queues", name: "Gangs and queues", page: QueuesPage },
];

export function App() {
  const path = place.value.path;
  const here = PAGES.find((one) => one.path === path);
  const heading = useRef<HTMLHeadingElement>(null);
  const arrived = useRef(false);

  useEffect(() => {
    document.title = `${here?.name ?? "Not found"} · slacktide`;
    if (arrived.current) heading.current?.focus({ preventScroll: true });
    arrived.current = true;
  }, [path]);

  return (
    <>
      <a class="skip" href="#main">
        Skip to the content
      </a>
      <header class="top">
        <a class="brand" href="/" onClick={follow}>
          <Logo />
          slacktide
        </a>
        <nav aria-label="Pages">
          {PAGES.map((one) => (
            <a href={one.path} onClick={follow} aria-current={one.path === path ? "page" : undefined}>
              {one.name}
            </a>
          ))}
        </nav>
        <button type="button" class="button theme" onClick={switchTheme}>
          {theme.value === "dark" ? "Light" : "Dark"}
          <span class="unseen"> theme</span>
        </button>
      </header>
      <ProgressStrip />
      <main id="main" tabIndex={-1}>
        <h1 ref={heading} tabIndex={-1}>
          {here?.name ?? "Not found"}
        </h1>
        {here ? <Content page={here.page} /> : <Notice title="There is no such page">Choose one above.</Notice>}
      </main>
    </>
  );
}

function Content({ page: Page }: { page: () => preact.JSX.Element }) {
  if (progress.value === null) return <Notice title="Connecting">Asking the server how far the run is.</Notice>;
  if (progress.value.state === "waiting") {
    return <Notice title="No data yet">{progress.value.message} This page fills as soon as one does.</Notice>;
  }
  if (!overview.value) return <Notice title="Loading">Reading the run.</Notice>;
  return <Page />;
}

/** Follows a link within the pages; a click that asks for a new tab stays the browser's. */
function follow(event: MouseEvent): void {
  const link = event.currentTarget as HTMLAnchorElement;
  if (event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
  event.preventDefault();
  go(link.pathname);
}
