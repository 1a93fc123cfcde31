import { render } from "preact";

import { App } from "./app.tsx";
import { followCluster } from "./cluster.ts";
import { follow } from "./live.ts";
import { ask } from "./source.ts";
import "./style/tokens.css";
import "./style/layout.css";
import "./style/parts.css";

void ask().then((kind) => {
  if (kind === "cluster") followCluster();
  else if (kind === "replay") follow();
  render(<App />, document.getElementById("app")!);
});
