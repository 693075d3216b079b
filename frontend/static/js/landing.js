/** The landing page: the visitor's own number, running at once. */
import { render } from "preact";

import { showConnection } from "./connection-pill.js";
import { html } from "./html.js";
import { runMyNumber } from "./my-number.js";
import { NumberDial } from "./number-dial.js";
import { openSocket } from "./socket.js";

const place = document.getElementById("my-number");
if (place) {
  render(html`<${NumberDial} hint=${true} />`, place);
  showConnection();
  runMyNumber();
  openSocket();
}
