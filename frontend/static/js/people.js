/** The people page: who is here now, live. */
import { render } from "preact";

import { showConnection } from "./connection-pill.js";
import { html } from "./html.js";
import { PeopleTable } from "./people-table.js";
import { followPeople } from "./people-list.js";
import { openSocket } from "./socket.js";

const place = document.getElementById("people");
if (place) render(html`<${PeopleTable} />`, place);
showConnection();
followPeople();
openSocket();
