/** One Fibonacci number: how long it is, its digits (the middle of a long one left out until asked for), a copy. */
import { useEffect, useState } from "preact/hooks";

import { copy } from "./clipboard.js";
import { html } from "./html.js";
import { lang, t } from "./page.js";

/** A number with more digits is shown as its ends, with the middle left out. */
const SHOWN_WHOLE = 600;
const END_DIGITS = 240;

const count = new Intl.NumberFormat(lang);
const leading = new Intl.NumberFormat(lang, { minimumFractionDigits: 4, maximumFractionDigits: 4 });

/** @param {{ answer: import("./fibonacci.js").Fibonacci | null }} props */
export function Answer({ answer }) {
  const [isWhole, setIsWhole] = useState(false);
  const [copied, setCopied] = useState("");
  useEffect(() => {
    setIsWhole(false);
    setCopied("");
  }, [answer]);
  if (!answer) {
    return html`<section class="panel fibonacci-answer is-empty" aria-labelledby="answer-title">
      <h2 id="answer-title">${t("fibonacci.answer")}</h2>
      <p class="quiet" role="status">${t("fibonacci.none")}</p>
    </section>`;
  }
  const { n, value, digits } = answer;
  const isLong = digits > SHOWN_WHOLE;
  const said = digits === 1 ? t("fibonacci.digit") : t("fibonacci.digits", { digits: count.format(digits) });
  return html`
    <section class="panel fibonacci-answer" aria-labelledby="answer-title">
      <div class="fibonacci-head">
        <h2 id="answer-title" data-testid="name">F(${n})</h2>
        <p class="fibonacci-size" role="status">
          <span class="visually-hidden">F(${n}): </span><span data-testid="digits">${said}</span>
        </p>
      </div>
      ${digits > 15 && html`<p class="fibonacci-about">${about(value)}</p>`}
      <p
        class=${isLong && isWhole ? "fibonacci-value is-whole" : "fibonacci-value"}
        data-testid="value"
        tabindex=${isLong && isWhole ? 0 : undefined}
        role=${isLong && isWhole ? "region" : undefined}
        aria-label=${isLong && isWhole ? t("fibonacci.answer") : undefined}
      >
        ${isLong && !isWhole ? html`<${Ends} value=${value} />` : value}
      </p>
      <p class="fibonacci-actions">
        <button class="button" onClick=${async () => setCopied((await copy(value)) ? "copied" : "not-copied")}>
          ${t("fibonacci.copy")}
        </button>
        ${isLong &&
        html`<button class="button is-quiet" aria-expanded=${isWhole} onClick=${() => setIsWhole(!isWhole)}>
          ${t(isWhole ? "fibonacci.fold" : "fibonacci.unfold")}
        </button>`}
        <span class="fibonacci-copied" role="status">${copied && t(`fibonacci.${copied}`)}</span>
      </p>
    </section>
  `;
}

/** @param {{ value: string }} props */
function Ends({ value }) {
  const left = value.length - 2 * END_DIGITS;
  return html`${value.slice(0, END_DIGITS)}<span class="fibonacci-left"
      >${t("fibonacci.left", { digits: count.format(left) })}</span
    >${value.slice(-END_DIGITS)}`;
}

/** The size at a glance: `2.5974 × 10^20898`. @param {string} value */
function about(value) {
  const head = leading.format(Math.trunc(Number(`${value[0]}.${value.slice(1, 15)}`) * 10_000) / 10_000);
  return html`≈ ${head} × 10<sup>${value.length - 1}</sup>`;
}
