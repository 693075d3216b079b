/** What was asked for in this tab, the latest first; kept by the browser until the tab is closed. */
import { useState } from "preact/hooks";

import { html } from "./html.js";
import { lang, t, user } from "./page.js";

const KEPT = 20;
const KEY = `pulso:fibonacci:${user?.id ?? ""}`; // somebody else may log in in this tab

const count = new Intl.NumberFormat(lang);

/**
 * @typedef {{ n: number, digits: number }} Entry
 * @returns {[Entry[], (found: Entry) => void, () => void]} the entries, and how one is added and all are forgotten
 */
export function useAsked() {
  const [asked, setAsked] = useState(read);
  /** @param {Entry[]} entries */
  const keep = (entries) => {
    setAsked(entries);
    write(entries);
  };
  return [
    asked,
    ({ n, digits }) => keep([{ n, digits }, ...read().filter((entry) => entry.n !== n)].slice(0, KEPT)),
    () => keep([]),
  ];
}

/** @param {{ asked: Entry[], onAgain: (n: number) => void, onForget: () => void }} props */
export function Asked({ asked, onAgain, onForget }) {
  if (!asked.length) return null;
  return html`
    <section class="panel fibonacci-asked" aria-labelledby="asked-title">
      <div class="fibonacci-head">
        <h2 id="asked-title">${t("fibonacci.asked")}</h2>
        <button class="button is-quiet" onClick=${onForget}>${t("fibonacci.forget")}</button>
      </div>
      <ul>
        ${asked.map(
          ({ n, digits }) => html`<li key=${n}>
            <button class="fibonacci-again" onClick=${() => onAgain(n)}>
              <span class="visually-hidden">${t("fibonacci.again")} </span>
              <strong>F(${n})</strong>
              <span class="quiet">
                ${digits === 1 ? t("fibonacci.digit") : t("fibonacci.digits", { digits: count.format(digits) })}
              </span>
            </button>
          </li>`,
        )}
      </ul>
    </section>
  `;
}

/** @returns {Entry[]} */
function read() {
  try {
    /** @type {Entry[]} */
    const entries = JSON.parse(sessionStorage.getItem(KEY) ?? "[]");
    return entries.filter(({ n, digits }) => Number.isInteger(n) && Number.isInteger(digits));
  } catch {
    return []; // storage is switched off, or holds what we never wrote
  }
}

/** @param {Entry[]} entries */
function write(entries) {
  try {
    sessionStorage.setItem(KEY, JSON.stringify(entries));
  } catch {
    // switched off or full: the list lasts as long as the page
  }
}
