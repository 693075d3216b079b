/** What the log page consists of: filters, what can be done, the table, and the details of one message. */
import { useEffect, useRef, useState } from "preact/hooks";

import { html } from "./html.js";
import { exportLog, MOST } from "./log-export.js";
import { log, searchAnew, setFilters, setFollowing } from "./log-feed.js";
import { isFiltered, NO_FILTERS } from "./log-filters.js";
import { LogDetails } from "./log-details.js";
import { LogTable } from "./log-table.js";
import { lang, t } from "./page.js";
import { useStore } from "./store.js";

const CODES = [
  "bad_request", "unauthorized", "forbidden", "not_found", "conflict", "too_large", "rate_limited", "internal",
  "unavailable", "timeout",
];
const count = new Intl.NumberFormat(lang);

export function LogPage() {
  const { messages, filters, isSearching, fault } = useStore(log);
  const [opened, setOpened] = useState(/** @type {number | null} */ (null));
  const shown = messages ?? [];
  const place = opened === null ? -1 : shown.findIndex((message) => message.seq === opened);
  return html`
    <${FilterForm} />
    <section class="panel log-panel" aria-label=${t("log.table")}>
      <${Bar} />
      ${fault && html`<${Fault} fault=${fault} />`}
      ${messages === null && !fault && html`<p class="quiet log-none" role="status">${t("log.waiting")}</p>`}
      ${messages !== null && shown.length === 0 && html`
        <p class="quiet log-none" role="status" data-testid="none">
          ${isSearching ? t("log.searching") : isFiltered(filters) ? t("log.none") : t("log.empty")}
        </p>
      `}
      ${shown.length > 0 && html`<${LogTable} onOpen=${setOpened} opened=${opened} />`}
    </section>
    ${filters.event.trim() === "" && html`<p class="quiet log-note">${t("log.itself")}</p>`}
    ${place >= 0 && html`
      <${LogDetails}
        message=${shown[place]}
        newer=${shown[place - 1]?.seq ?? null}
        older=${shown[place + 1]?.seq ?? null}
        onOpen=${setOpened}
      />
    `}
  `;
}

/** @param {{ fault: string }} props */
function Fault({ fault }) {
  return html`
    <div class="log-fault" role="alert">
      <p>${t("log.failed", { reason: fault })}</p>
      <button type="button" class="button" onClick=${searchAnew}>${t("log.retry")}</button>
    </div>
  `;
}

function FilterForm() {
  const { filters } = useStore(log);
  return html`
    <form class="log-filters" role="search" aria-label=${t("log.filters")} onSubmit=${(/** @type {Event} */ event) => {
      event.preventDefault();
      searchAnew();
    }}>
      <${Field} name="text" label=${t("log.text")} type="search" />
      <${Field} name="user" label=${t("log.user")} hint=${t("log.user.hint")} />
      <${Field} name="event" label=${t("log.event")} hint=${t("log.event.hint")} />
      <${Choice} name="direction" label=${t("log.direction")} choices=${[
        ["", t("log.direction.any")], ["in", t("log.direction.in")], ["out", t("log.direction.out")],
      ]} />
      <${Choice} name="outcome" label=${t("log.outcome")} choices=${[
        ["", t("log.outcome.any")], ["ok", "ok"], ["!ok", t("log.outcome.refused")], ...CODES.map((code) => [code, code]),
      ]} />
      <${Field} name="since" label=${t("log.since")} type="datetime-local" />
      <${Field} name="until" label=${t("log.until")} type="datetime-local" />
      <button
        type="button"
        class="button is-quiet log-clear"
        disabled=${!isFiltered(filters)}
        onClick=${() => setFilters(NO_FILTERS)}
      >${t("log.clear")}</button>
    </form>
  `;
}

/** @param {{ name: keyof import("./log-filters.js").Filters, label: string, hint?: string, type?: string }} props */
function Field({ name, label, hint = "", type = "text" }) {
  const { filters } = useStore(log);
  return html`
    <label class=${`log-field is-${name}`}>
      <span>${label}</span>
      <input
        name=${name}
        type=${type}
        value=${filters[name]}
        placeholder=${hint}
        maxlength="200"
        autocomplete="off"
        autocapitalize="none"
        spellcheck=${false}
        onInput=${(/** @type {InputEvent} */ event) => {
          const { value } = /** @type {HTMLInputElement} */ (event.currentTarget);
          setFilters({ [name]: value }, { isTyped: true });
        }}
      />
    </label>
  `;
}

/** @param {{ name: "direction" | "outcome", label: string, choices: [string, string][] }} props */
function Choice({ name, label, choices }) {
  const { filters } = useStore(log);
  return html`
    <label class=${`log-field is-${name}`}>
      <span>${label}</span>
      <select name=${name} value=${filters[name]} onChange=${(/** @type {Event} */ event) => {
        setFilters({ [name]: /** @type {HTMLSelectElement} */ (event.currentTarget).value });
      }}>
        ${choices.map(([value, text]) => html`<option value=${value} selected=${value === filters[name]}>${text}</option>`)}
      </select>
    </label>
  `;
}

function Bar() {
  const { messages, next, isFollowing, filters } = useStore(log);
  const shown = `${count.format(messages?.length ?? 0)}${next === null ? "" : "+"}`;
  return html`
    <div class="log-bar">
      <p class="quiet"><span data-testid="count">${t("log.shown", { count: shown })}</span></p>
      ${!isFollowing && html`<span class="quiet log-paused" role="status">${t("log.paused")}</span>`}
      <label class="log-follow">
        <input
          type="checkbox"
          checked=${isFollowing && !filters.until}
          disabled=${filters.until !== ""}
          onChange=${(/** @type {Event} */ event) =>
            setFollowing(/** @type {HTMLInputElement} */ (event.currentTarget).checked)}
        />
        <span>${t("log.follow")}</span>
      </label>
      <${Export} />
    </div>
  `;
}

function Export() {
  const { filters } = useStore(log);
  const [busy, setBusy] = useState(/** @type {number | null} */ (null));
  const [said, setSaid] = useState("");
  const running = useRef(/** @type {AbortController | null} */ (null));
  useEffect(() => () => running.current?.abort(), []);

  async function run() {
    if (running.current) {
      running.current.abort();
      return;
    }
    const controller = new AbortController();
    running.current = controller;
    setSaid("");
    setBusy(0);
    try {
      const total = await exportLog(filters, setBusy, controller.signal);
      const values = { count: count.format(total) };
      setSaid(total >= MOST ? t("log.export.cut", values) : t("log.export.done", values));
    } catch (error) {
      setSaid(t("log.export.failed", { reason: error instanceof Error ? error.message : String(error) }));
    }
    running.current = null;
    setBusy(null);
  }

  return html`
    <button type="button" class="button log-export" onClick=${run}>
      ${busy === null ? t("log.export") : t("log.export.busy", { count: count.format(busy) })}
    </button>
    <p class="log-said" role="status">${said}</p>
  `;
}
