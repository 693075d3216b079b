/** The Fibonacci page: ask for F(n), see it, copy it, and find again what was asked for in this tab. */
import { render } from "preact";
import { useRef, useState } from "preact/hooks";

import { ApiError } from "./api.js";
import { showConnection } from "./connection-pill.js";
import { Answer } from "./fibonacci-answer.js";
import { Asked, useAsked } from "./fibonacci-asked.js";
import { html } from "./html.js";
import { hasText, lang, t } from "./page.js";
import { openSocket, request, whenLive } from "./socket.js";

const MAX_N = 100_000; // the server's own bound: it refuses what is above

/** @typedef {{ n: number, value: string, digits: number }} Fibonacci */

function Page() {
  const [text, setText] = useState("");
  const [fault, setFault] = useState("");
  const [isBusy, setIsBusy] = useState(false);
  const [answer, setAnswer] = useState(/** @type {Fibonacci | null} */ (null));
  const [asked, remember, forget] = useAsked();
  const field = useRef(/** @type {HTMLInputElement | null} */ (null));

  /** @param {string} wanted */
  async function ask(wanted) {
    if (isBusy) return;
    const n = numberIn(wanted);
    setFault(n === null ? t("fibonacci.invalid") : "");
    if (n === null) {
      field.current?.focus();
      return;
    }
    setIsBusy(true);
    try {
      await whenLive();
      const found = await request("numbers:fibonacci", { n });
      setAnswer(found);
      remember(found);
    } catch (error) {
      setFault(textOf(error));
    }
    setIsBusy(false);
  }

  return html`
    <${Form} ...${{ text, fault, isBusy, field }} onText=${setText} onAsk=${() => ask(text)} />
    <${Answer} answer=${answer} />
    <${Asked}
      asked=${asked}
      onAgain=${(/** @type {number} */ n) => {
        setText(String(n));
        ask(String(n));
      }}
      onForget=${() => {
        forget();
        field.current?.focus();
      }}
    />
  `;
}

/**
 * @param {{
 *   text: string, fault: string, isBusy: boolean, field: { current: HTMLInputElement | null },
 *   onText: (text: string) => void, onAsk: () => void,
 * }} props
 */
function Form({ text, fault, isBusy, field, onText, onAsk }) {
  return html`
    <form
      class="panel fibonacci-form"
      novalidate
      aria-busy=${isBusy}
      onSubmit=${(/** @type {Event} */ event) => {
        event.preventDefault();
        onAsk();
      }}
    >
      <div class="field">
        <label for="n">${t("fibonacci.label")}</label>
        <div class="fibonacci-ask">
          <span class="fibonacci-f" aria-hidden="true">F(</span>
          <input
            id="n"
            ref=${field}
            value=${text}
            inputmode="numeric"
            autocomplete="off"
            maxlength="20"
            aria-describedby="n-hint n-fault"
            aria-invalid=${fault ? "true" : undefined}
            onInput=${(/** @type {InputEvent} */ { currentTarget }) =>
              onText(/** @type {HTMLInputElement} */ (currentTarget).value)}
          />
          <span class="fibonacci-f" aria-hidden="true">)</span>
          <button class="button is-main" aria-disabled=${isBusy}>${t("fibonacci.submit")}</button>
        </div>
        <p class="field-hint" id="n-hint">${t("fibonacci.hint")}</p>
        <p class="field-fault" id="n-fault" role="alert">${fault}</p>
      </div>
    </form>
  `;
}

/** @param {string} text */
function numberIn(text) {
  const plain = text.trim();
  const n = /^\d{1,20}$/.test(plain) ? Number(plain) : Number.NaN;
  return n <= MAX_N ? n : null;
}

/** The server speaks English: to others its codes are told in their language. @param {unknown} error */
function textOf(error) {
  if (!(error instanceof ApiError)) throw error;
  const { code, message } = error;
  const key = code === "rate_limited" ? "fibonacci.busy" : `error.${code}`;
  return lang === "en" || !hasText(key) ? message : t(key);
}

const place = document.getElementById("fibonacci");
if (place) render(html`<${Page} />`, place);
showConnection();
openSocket();
