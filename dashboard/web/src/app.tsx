/** The frame around every page: where you are, how far the run is, light or dark. */

import { useEffect, useRef } from "preact/hooks";

import { moment } from "./cluster.ts";
import { overview, progress } from "./live.ts";
import { AgentPage } from "./pages/agent.tsx";
import { ClusterGangsPage } from "./pages/cluster-gangs.tsx";
import { ClusterQueuesPage } from "./pages/cluster-queues.tsx";
import { OverviewPage } from "./pages/overview.tsx";
import { NodesPage } from "./pages/nodes.tsx";
import { QueuesPage } from "./pages/queues.tsx";
import { RightSizePage } from "./pages/right-size.tsx";
import { Logo, Notice } from "./parts/bits.tsx";
import { ClusterStrip } from "./parts/cluster-strip.tsx";
import { ProgressStrip } from "./parts/progress.tsx";
import { followLink, place } from "./router.ts";
import { source } from "./source.ts";
import { switchTheme, theme } from "./theme.ts";

interface PageOf {
  path: string;
  name: string;
  page: () => preact.JSX.Element;
}

const RUN_PAGES: PageOf[] = [
  { path: "/", name: "Overview", page: OverviewPage },
  { path: "/nodes", name: "Nodes", page: NodesPage },
  { path: "/right-size", name: "Right-size", page: RightSizePage },
  { path: "/queues", name: "Gangs and queues", page: QueuesPage },
];
const AGENT_PAGE: PageOf = { path: "/agent", name: "Node agent", page: AgentPage };
const CLUSTER_PAGES: PageOf[] = [
  { path: "/cluster", name: "Queues", page: ClusterQueuesPage },
  { path: "/cluster/gangs", name: "Gangs", page: ClusterGangsPage },
  AGENT_PAGE,
];
const PAGES = { replay: RUN_PAGES, cluster: CLUSTER_PAGES, node: [AGENT_PAGE] };

export function App() {
  const live = source.value === "cluster";
  const pages = PAGES[source.value];
  const path = place.value.path === "/" ? pages[0]!.path : place.value.path;
  const here = pages.find((one) => one.path === path);
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
        <a class="brand" href="/" onClick={followLink}>
          <Logo />
          slacktide
        </a>
        <nav aria-label="Pages">
          {pages.map((one) => (
            <a href={one.path} onClick={followLink} aria-current={one.path === path ? "page" : undefined}>
              {one.name}
            </a>
          ))}
        </nav>
        <button type="button" class="button theme" onClick={switchTheme}>
          {theme.value === "dark" ? "Light" : "Dark"}
          <span class="unseen"> theme</span>
        </button>
      </header>
      {source.value === "cluster" && <ClusterStrip />}
      {source.value === "replay" && <ProgressStrip />}
      <main id="main" tabIndex={-1}>
        <h1 ref={heading} tabIndex={-1}>
          {here?.name ?? "Not found"}
        </h1>
        {here ? <Shown here={here} live={live} /> : <Elsewhere path={path} />}
      </main>
    </>
  );
}

/** A node's agent needs nothing but itself; the other pages wait for what they are about. */
function Shown({ here, live }: { here: PageOf; live: boolean }) {
  if (here === AGENT_PAGE) return <AgentPage />;
  return live ? <ClusterContent page={here.page} /> : <Content page={here.page} />;
}

function Content({ page: Page }: { page: () => preact.JSX.Element }) {
  if (progress.value === null) return <Notice title="Connecting">Asking the server how far the run is.</Notice>;
  if (progress.value.state === "waiting") {
    return <Notice title="No data yet">{progress.value.message} This page fills as soon as one does.</Notice>;
  }
  if (!overview.value) return <Notice title="Loading">Reading the run.</Notice>;
  return <Page />;
}

function ClusterContent({ page: Page }: { page: () => preact.JSX.Element }) {
  if (!moment.value?.cluster) return <Notice title="Connecting">Asking the server what the cluster looks like.</Notice>;
  return <Page />;
}

/** A page of another kind of server says how to have it; others are none. */
function Elsewhere({ path }: { path: string }) {
  if (path === AGENT_PAGE.path) {
    return (
      <Notice title="No node agent here">
        A node's agent is shown, on this page, by <code>slacktide serve dashboard --agent URL</code>.
      </Notice>
    );
  }
  if (RUN_PAGES.some((one) => one.path === path)) {
    return (
      <Notice title="No replay here">
        This server follows {source.value === "node" ? "a node's agent" : "a cluster"}. A trace is replayed, with this
        page, by <code>slacktide up</code>.
      </Notice>
    );
  }
  if (CLUSTER_PAGES.some((one) => one.path === path)) {
    return (
      <Notice title="No cluster here">
        This server shows {source.value === "node" ? "a node's agent" : "a replay"}. A cluster is followed, with this
        page, by <code>slacktide serve dashboard --kubeconfig FILE</code>.
      </Notice>
    );
  }
  return <Notice title="There is no such page">Choose one above.</Notice>;
}
