/** Where messages are written: text, files by choice, paste or drop, and Enter. */
import { useEffect, useRef } from "preact/hooks";

import { html } from "../html.js";
import { t } from "../page.js";
import { useStore } from "../store.js";
import { Attachments } from "./attachments.js";
import { NO_DRAFT } from "./drafts.js";
import { Icon } from "./icons.js";
import { drafts, typingNotice } from "./sending.js";

/** The server takes this many characters (code points) in one message. */
const MOST_CHARS = 4000;
const WARN_CHARS = 3600;

/** On a phone a focused field brings the keyboard up over the room that was just entered. */
const hasKeyboard = matchMedia("(hover: hover) and (pointer: fine)");

/** @param {{ room: string, name: string }} props */
export function Composer({ room, name }) {
  const { text, attachments, isWaiting } = useStore(drafts.store).drafts[room] ?? NO_DRAFT;
  const field = useRef(/** @type {HTMLTextAreaElement | null} */ (null));
  const picker = useRef(/** @type {HTMLInputElement | null} */ (null));
  useEffect(() => grow(field.current), [text, room]);
  useEffect(() => {
    if (hasKeyboard.matches) field.current?.focus();
  }, [room]);

  const label = t("chat.write", { room: name });
  const chars = [...text].length;
  const hasFailed = attachments.some(({ state }) => state === "failed");
  const isEmpty = !text.trim() && attachments.length === 0;
  const maySend = !isEmpty && !hasFailed && chars <= MOST_CHARS;

  function send() {
    if (maySend) drafts.send(room);
    field.current?.focus();
  }

  /** @param {Event} event */
  function submitted(event) {
    event.preventDefault();
    send();
  }

  function typed() {
    const now = field.current?.value ?? "";
    drafts.write(room, now);
    typingNotice.typed(now);
  }

  /** While a character is being put together, Enter chooses it. @param {KeyboardEvent} event */
  function pressed(event) {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
    event.preventDefault();
    send();
  }

  /** @param {ClipboardEvent} event */
  function pasted(event) {
    const files = event.clipboardData?.files;
    if (!files?.length) return;
    event.preventDefault();
    drafts.attach(room, files);
  }

  function picked() {
    const files = picker.current?.files;
    if (files) drafts.attach(room, files);
    if (picker.current) picker.current.value = ""; // the same file may be chosen again
    field.current?.focus();
  }

  return html`
    <form class="composer" onSubmit=${submitted}>
      <${Attachments} room=${room} attachments=${attachments} />
      <p class="composer-said" role="status">
        ${hasFailed && t("chat.file.failed")}
        ${isWaiting && html`
          ${t("chat.waiting")}${" "}
          <button type="button" class="link-button" onClick=${() => drafts.stopWaiting(room)}>
            ${t("chat.stop-waiting")}
          </button>
        `}
        ${chars > WARN_CHARS && html`
          <span class=${chars > MOST_CHARS ? "is-too-long" : ""}>${t("chat.length", { chars, most: MOST_CHARS })}</span>
        `}
      </p>
      <div class="composer-line">
        <button
          type="button" class="icon-button" aria-label=${t("chat.attach")} title=${t("chat.attach")}
          onClick=${() => picker.current?.click()}
        >
          <${Icon} name="attach" />
        </button>
        <input ref=${picker} type="file" multiple hidden data-testid="picker" onChange=${picked} />
        <textarea
          ref=${field} rows="1" value=${text} placeholder=${label} aria-label=${label}
          aria-describedby="composer-hint" enterkeyhint="send" data-testid="composer"
          onKeyDown=${pressed} onPaste=${pasted} onInput=${typed}
        ></textarea>
        <button
          type="submit" class="send-button" aria-label=${t("chat.send")} title=${t("chat.send")}
          aria-disabled=${String(!maySend)}
        >
          <${Icon} name="send" />
        </button>
      </div>
      <p class="visually-hidden" id="composer-hint">${t("chat.hint")}</p>
    </form>
  `;
}

/** As high as its text, up to what the style sheet allows. @param {HTMLTextAreaElement | null} field */
function grow(field) {
  if (!field) return;
  field.style.height = "auto";
  field.style.height = `${field.scrollHeight + field.offsetHeight - field.clientHeight}px`;
}
