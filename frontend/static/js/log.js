/** The log page: every message, filtered, live, in detail, exported. For admins. */
import { render } from "preact";

import { showConnection } from "./connection-pill.js";
import { html } from "./html.js";
import { followLog } from "./log-feed.js";
import { LogPage } from "./log-page.js";
import { openSocket } from "./socket.js";

const place = document.getElementById("log");
if (place) render(html`<${LogPage} />`, place);
showConnection();
followLog();
openSocket();
