/** The drawer with everything about one message. */
import { useLayoutEffect, useRef, useState } from "preact/hooks";

import { html } from "./html.js";
import { setFilters } from "./log-feed.js";
import { whoOf } from "./log-table.js";
import { lang, t } from "./page.js";

const inFull = new Intl.DateTimeFormat(lang, { dateStyle: "full", timeStyle: "medium" });
const count = new Intl.NumberFormat(lang);

/**
 * @param {{ message: import("./log-feed.js").Message, newer: number | null, older: number | null,
 *   onOpen: (seq: number | null) => void }} props `newer` and `older` are the messages beside it
 */
export function LogDetails({ message, newer, older, onOpen }) {
  const place = useRef(/** @type {HTMLDialogElement | null} */ (null));
  // Before it is painted: a key that comes right behind is the drawer's.
  useLayoutEffect(() => {
    const dialog = place.current;
    dialog?.showModal(); // keeps the focus, gives it back, and closes with Escape
    return () => dialog?.close();
  }, []);

  /** @param {KeyboardEvent} event */
  function onKeyDown(event) {
    const to = event.key === "ArrowUp" ? newer : event.key === "ArrowDown" ? older : null;
    if (to === null) return;
    event.preventDefault();
    onOpen(to);
  }

  return html`
    <dialog
      class="log-details"
      ref=${place}
      aria-labelledby="details-title"
      data-testid="details"
      onKeyDown=${onKeyDown}
      onClose=${() => onOpen(null)}
      onClick=${(/** @type {Event} */ event) => event.target === place.current && place.current?.close()}
    >
      <div class="log-details-inner">
        <header>
          <h2 id="details-title">${t("log.details", { seq: message.seq })}</h2>
          <button type="button" class="button is-quiet" disabled=${newer === null} onClick=${() => onOpen(newer)}>
            <span aria-hidden="true">↑</span>${" "}${t("log.previous")}
          </button>
          <button type="button" class="button is-quiet" disabled=${older === null} onClick=${() => onOpen(older)}>
            <span aria-hidden="true">↓</span>${" "}${t("log.next")}
          </button>
          <button type="button" class="button" onClick=${() => place.current?.close()}>${t("log.close")}</button>
        </header>
        <${Facts} message=${message} />
        <${Payload} message=${message} />
        <footer>
          <${Copy} key=${message.seq} message=${message} />
          ${message.user && html`
            <button type="button" class="button" onClick=${() => only({ user: message.user })}>${t("log.only-user")}</button>
          `}
          <button type="button" class="button" onClick=${() => only({ event: message.event })}>${t("log.only-event")}</button>
        </footer>
      </div>
    </dialog>
  `;

  /** @param {Partial<import("./log-filters.js").Filters>} filters */
  function only(filters) {
    place.current?.close();
    setFilters(filters);
  }
}

/** @param {{ message: import("./log-feed.js").Message }} props */
function Facts({ message }) {
  /** @type {[string, unknown][]} */
  const facts = [
    [t("log.at"), html`<time datetime=${message.at}>${inFull.format(new Date(message.at))}</time> <code>${message.at}</code>`],
    [t("log.direction"), message.direction === "in" ? t("log.direction.in") : t("log.direction.out")],
    [t("log.event"), html`<code>${message.event}</code>`],
    [t("log.outcome"), html`<code>${message.outcome}</code>`],
    [t("log.user"), html`${whoOf(message)}${message.user && html` <code>${message.user}</code>`}`],
    [t("log.connection"), html`<code>${message.connection || "–"}</code>`],
    [t("log.gateway"), html`<code>${message.gateway}</code>`],
    [t("log.recipients"), count.format(message.recipients)],
    [t("log.size"), t("log.bytes", { count: count.format(message.size) })],
  ];
  return html`<dl>${facts.map(([name, value]) => html`<div key=${name}><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>`;
}

/** @param {{ message: import("./log-feed.js").Message }} props */
function Payload({ message: { payload, size } }) {
  if (payload === null && size === 0) return html`<p class="quiet">${t("log.nothing")}</p>`;
  if (payload === null) return html`<p class="quiet">${t("log.not-kept.why")}</p>`;
  const text = typeof payload === "string" ? payload : JSON.stringify(payload, null, 2);
  return html`<pre tabindex="0" aria-label=${t("log.payload")} data-testid="payload">${text}</pre>`;
}

/** @param {{ message: import("./log-feed.js").Message }} props */
function Copy({ message }) {
  const [isCopied, setCopied] = useState(false);
  const copy = async () => {
    await navigator.clipboard.writeText(JSON.stringify(message, null, 2));
    setCopied(true);
  };
  // Browsers offer the clipboard to secure pages alone.
  if (!navigator.clipboard) return null;
  return html`
    <button type="button" class="button" onClick=${() => copy().catch(() => {})}>
      <span role="status">${isCopied ? t("log.copied") : t("log.copy")}</span>
    </button>
  `;
}
