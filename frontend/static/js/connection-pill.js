/** The pill in the header: how the connection stands, in words and shape as well as colour. */
import { render } from "preact";

import { Clock } from "./clock.js";
import { html } from "./html.js";
import { t } from "./page.js";
import { connection, retryNow } from "./socket.js";
import { useStore } from "./store.js";

export function showConnection() {
  const place = document.getElementById("connection");
  if (place) render(html`<${Pill} />`, place);
}

function Pill() {
  const { state } = useStore(connection);
  const mayRetry = state === "reconnecting" || state === "offline" || state === "stopped";
  return html`
    <span class="pill" data-testid="pill" data-state=${state}>
      <span class="pill-mark" aria-hidden="true"></span>
      <span role="status">${t(`connection.${state}`)}</span>
      ${state === "live" && html`<${Clock} />`}
      ${mayRetry && html`<button class="pill-retry" onClick=${retryNow}>${t("connection.retry")}</button>`}
    </span>
  `;
}
