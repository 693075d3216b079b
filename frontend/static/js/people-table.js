/** The table of who is here: a row a person, a box to search in, and words for when there is nothing to show. */
import { useEffect, useMemo, useState } from "preact/hooks";

import { html } from "./html.js";
import { lang, t } from "./page.js";
import { found } from "./people-book.js";
import { people, searchPeople, watchPeople } from "./people-list.js";
import { connection } from "./socket.js";
import { useStore } from "./store.js";

const MOST_ROWS = 500;
const SEARCH_PAUSE_MS = 250;

const order = new Intl.Collator(lang, { sensitivity: "base", numeric: true });
const plural = new Intl.PluralRules(lang);
const count = new Intl.NumberFormat(lang);
const time = new Intl.DateTimeFormat(lang, { timeStyle: "short" });
const dayAndTime = new Intl.DateTimeFormat(lang, { dateStyle: "short", timeStyle: "short" });
const inFull = new Intl.DateTimeFormat(lang, { dateStyle: "full", timeStyle: "medium" });

export function PeopleTable() {
  const { book, fault } = useStore(people);
  const { state } = useStore(connection);
  const [search, setSearch] = useState("");
  useSearchOnServer(search, book !== null && book.total > book.rows.size);
  const rows = useMemo(() => (book ? found(book, search, order) : []), [book, search]);
  if (!book) return html`<${Waiting} fault=${fault} />`;
  const shown = rows.slice(0, MOST_ROWS);
  return html`
    <div class="people-head">
      <p class="people-total">
        <strong data-testid="total">${count.format(book.total)}</strong>
        ${" "}${plural.select(book.total) === "one" ? t("people.total.one") : t("people.total.other")}
      </p>
      <${SearchBox} search=${search} onSearch=${setSearch} />
    </div>
    <p class="people-said" role="status">
      ${state !== "live" ? t("people.stale") : fault ? t("people.failed", { reason: fault }) : ""}
    </p>
    <p class="visually-hidden" role="status">
      ${search.trim() && t("people.found", { total: count.format(rows.length), search: search.trim() })}
    </p>
    ${shown.length > 0 ? html`<${Rows} rows=${shown} />` : html`<${Nobody} search=${search} onSearch=${setSearch} />`}
    ${!search && shown.length < book.total && html`<p class="quiet people-more">
      ${t("people.cut", { shown: count.format(shown.length), total: count.format(book.total) })}
    </p>`}
  `;
}

/** Where not all people are known here, the server knows. @param {string} search @param {boolean} isCut */
function useSearchOnServer(search, isCut) {
  const wanted = search.trim();
  useEffect(() => {
    if (!isCut || !wanted) return undefined;
    const pause = setTimeout(() => searchPeople(wanted).catch(() => {}), SEARCH_PAUSE_MS); // the known are shown
    return () => clearTimeout(pause);
  }, [isCut, wanted]);
}

/** @param {{ fault: string }} props */
function Waiting({ fault }) {
  if (!fault) return html`<p class="quiet people-none" role="status">${t("people.waiting")}</p>`;
  return html`
    <div class="people-none" role="alert">
      <p>${t("people.failed", { reason: fault })}</p>
      <button type="button" class="button" onClick=${watchPeople}>${t("people.retry")}</button>
    </div>
  `;
}

/** @param {{ search: string, onSearch: (search: string) => void }} props */
function SearchBox({ search, onSearch }) {
  return html`
    <label class="people-search">
      <span class="visually-hidden">${t("people.search")}</span>
      <svg viewBox="0 0 20 20" aria-hidden="true"><circle cx="8.5" cy="8.5" r="5.5" /><path d="m13 13 4.5 4.5" /></svg>
      <input
        type="search"
        maxlength="100"
        autocomplete="off"
        spellcheck=${false}
        placeholder=${t("people.search")}
        value=${search}
        onInput=${(/** @type {InputEvent} */ event) =>
          onSearch(/** @type {HTMLInputElement} */ (event.currentTarget).value)}
        onKeyDown=${(/** @type {KeyboardEvent} */ event) => event.key === "Escape" && onSearch("")}
      />
    </label>
  `;
}

/** @param {{ search: string, onSearch: (search: string) => void }} props */
function Nobody({ search, onSearch }) {
  const wanted = search.trim();
  return html`
    <div class="people-none">
      <p role="status">${wanted ? t("people.nobody-found", { search: wanted }) : t("people.empty")}</p>
      ${wanted && html`<button type="button" class="button" onClick=${() => onSearch("")}>${t("people.clear")}</button>`}
    </div>
  `;
}

/**
 * On a phone the cells of a row stand below one another: the roles keep it a table all the same.
 * @param {{ rows: import("./people-book.js").PersonHere[] }} props
 */
function Rows({ rows }) {
  return html`
    <table class="people-table" role="table">
      <caption class="visually-hidden">${t("people.table")}</caption>
      <thead role="rowgroup">
        <tr role="row">
          <th scope="col" role="columnheader">${t("people.name")}</th>
          <th scope="col" role="columnheader" class="is-number">${t("people.sessions")}</th>
          <th scope="col" role="columnheader">${t("people.since")}</th>
          <th scope="col" role="columnheader">${t("people.gateway")}</th>
        </tr>
      </thead>
      <tbody role="rowgroup">${rows.map((row) => html`<${Row} key=${row.id} row=${row} />`)}</tbody>
    </table>
  `;
}

/** @param {{ row: import("./people-book.js").PersonHere }} props */
function Row({ row }) {
  const isMe = useStore(connection).user?.id === row.id;
  const isGoing = row.connections === 0;
  return html`
    <tr role="row" data-testid="person" class=${isGoing ? "is-going" : ""}>
      <th scope="row" role="rowheader">
        <div class="person">
          <span class="person-initial" aria-hidden="true">${initial(row.name)}</span>
          <span class="person-name" title=${row.name}>${row.name}</span>
          ${isMe && html`<span class="person-mark is-me">${t("people.you")}</span>`}
          ${(row.kind === "guest" || row.kind === "admin") &&
          html`<span class="person-mark">${t(`people.kind.${row.kind}`)}</span>`}
          ${isGoing && html`<span class="person-mark">${t("people.returning")}</span>`}
        </div>
      </th>
      <td role="cell" class="is-number">
        <${Label} text=${t("people.sessions")} />
        <span data-testid="sessions">${count.format(row.connections)}</span>
      </td>
      <td role="cell">
        <${Label} text=${t("people.since")} />
        <time datetime=${row.since} title=${inFull.format(new Date(row.since))}>${since(row)}</time>
      </td>
      <td role="cell" class="person-gateways" data-testid="gateways">${row.gateways.join(", ")}</td>
    </tr>
  `;
}

/** What the head of the column says, where a narrow screen has no columns. @param {{ text: string }} props */
function Label({ text }) {
  return html`<span class="people-label" aria-hidden="true">${text}</span>`;
}

/** The time of day for today, else the day, too. @param {{ since: string }} row */
function since(row) {
  const at = new Date(row.since);
  return at.toDateString() === new Date().toDateString() ? time.format(at) : dayAndTime.format(at);
}

/** The first character as a person sees it: an emoji or a letter with its accents is one. @param {string} name */
function initial(name) {
  for (const { segment } of new Intl.Segmenter(lang).segment(name)) return segment.toLocaleUpperCase(lang);
  return "";
}
