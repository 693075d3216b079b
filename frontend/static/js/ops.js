/** The page for whoever runs this Pulso: how everything stands, live. */
import { render } from "preact";

import { showConnection } from "./connection-pill.js";
import { html } from "./html.js";
import { followOps } from "./ops-feed.js";
import { OpsPage } from "./ops-page.js";
import { openSocket } from "./socket.js";

const place = document.getElementById("ops");
if (place) render(html`<${OpsPage} />`, place);
showConnection();
followOps();
openSocket();
