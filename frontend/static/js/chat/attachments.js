/** The files of a draft: what they are, how far they are on their way, and what can be done about each. */
import { html } from "../html.js";
import { t } from "../page.js";
import { Icon, kindOf } from "./icons.js";
import { drafts } from "./sending.js";
import { sizeOf } from "./time.js";

/** @param {{ room: string, attachments: import("./drafts.js").Attachment[] }} props */
export function Attachments({ room, attachments }) {
  if (attachments.length === 0) return null;
  return html`
    <ul class="attachments" aria-label=${t("chat.attachments")}>
      ${attachments.map((one) => html`<${Attachment} key=${one.key} room=${room} one=${one} />`)}
    </ul>
  `;
}

/** @param {{ room: string, one: import("./drafts.js").Attachment }} props */
function Attachment({ room, one }) {
  const { key, name, size, type, preview, state, part, fault } = one;
  const said = sizeOf(size);
  const isUnderWay = state === "waiting" || state === "uploading";
  const remove = isUnderWay ? t("chat.file.cancel", { name }) : t("chat.file.remove", { name });
  return html`
    <li class="attachment" data-testid="attachment" data-state=${state}>
      ${preview
        ? html`<img src=${preview} alt="" />`
        : html`<span class="attachment-kind"><${Icon} name=${kindOf(type)} /></span>`}
      <div class="attachment-words">
        <span class="attachment-name" title=${name}>${name}</span>
        ${state === "failed"
          ? html`<span class="attachment-fault" role="alert">${fault}</span>`
          : html`<span class="attachment-size">${isUnderWay ? t("chat.file.uploading", { size: said }) : said}</span>`}
        ${isUnderWay && html`<progress max="1" value=${part} aria-label=${name}></progress>`}
      </div>
      ${state === "failed" && html`
        <${Act} icon="again" label=${t("chat.file.retry", { name })} onAct=${() => drafts.retry(room, key)} />
      `}
      <${Act} icon="close" label=${remove} onAct=${() => drafts.detach(room, key)} />
    </li>
  `;
}

/** @param {{ icon: string, label: string, onAct: () => void }} props */
function Act({ icon, label, onAct }) {
  return html`
    <button type="button" class="icon-button" aria-label=${label} title=${label} onClick=${onAct}>
      <${Icon} name=${icon} />
    </button>
  `;
}
