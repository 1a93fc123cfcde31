import { render } from "preact";

import { App } from "./app.tsx";
import { follow } from "./live.ts";
import "./style/tokens.css";
import "./style/layout.css";
import "./style/parts.css";

follow();
render(<App />, document.getElementById("app")!);
