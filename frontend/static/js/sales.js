/** The sales page: figures, chart, products and the latest sales, live. */
import { render } from "preact";

import { showConnection } from "./connection-pill.js";
import { html } from "./html.js";
import { followSales } from "./sales-feed.js";
import { SalesPage } from "./sales-page.js";
import { openSocket } from "./socket.js";

const place = document.getElementById("sales");
if (place) render(html`<${SalesPage} />`, place);
showConnection();
followSales();
openSocket();
