/** The chat page. Visitors who have no account see how to get one, and nothing of this runs. */
import { render } from "preact";

import { ChatView } from "./chat/chat-view.js";
import { followChat } from "./chat/conversation.js";
import { followSending } from "./chat/sending.js";
import { showConnection } from "./connection-pill.js";
import { html } from "./html.js";
import { openSocket } from "./socket.js";

const place = document.getElementById("chat");
if (place) {
  render(html`<${ChatView} />`, place);
  followSending();
  followChat();
}
showConnection();
openSocket();
