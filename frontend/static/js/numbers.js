/** The numbers page: the own number, its last minute, and the board of everybody. */
import { render } from "preact";

import { Board } from "./board.js";
import { showConnection } from "./connection-pill.js";
import { html } from "./html.js";
import { runMyNumber } from "./my-number.js";
import { NumberChart } from "./number-chart.js";
import { NumberDial } from "./number-dial.js";
import { openSocket } from "./socket.js";

/** @param {string} id @param {unknown} Component @param {object} props */
function show(id, Component, props = {}) {
  const place = document.getElementById(id);
  if (place) render(html`<${Component} ...${props} />`, place);
}

show("my-number", NumberDial, { hint: true });
show("my-chart", NumberChart);
show("board", Board);
showConnection();
runMyNumber();
openSocket();
