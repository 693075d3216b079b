/** A file in a message: an image to look at, or a card with its kind, name and size. */
import { useState } from "preact/hooks";

import { html } from "../html.js";
import { t } from "../page.js";
import { Icon, kindOf } from "./icons.js";
import { sizeOf } from "./time.js";

/** @param {{ file: import("./log-book.js").SentFile }} props */
export function SentFile({ file }) {
  const [isGone, setGone] = useState(false);
  const kind = kindOf(file.type);
  if (kind === "image" && !isGone) {
    return html`
      <a class="sent-image" href=${file.url} target="_blank" rel="noopener" data-testid="file">
        <img src=${file.url} alt=${file.name} loading="lazy" onError=${() => setGone(true)} />
      </a>
    `;
  }
  // What a browser shows opens beside the chat; all else is saved under the name that its sender gave it.
  const how = kind === "file" ? { download: file.name } : { target: "_blank", rel: "noopener" };
  return html`
    <a class="sent-file" href=${file.url} ...${how} data-testid="file">
      <${Icon} name=${kind} />
      <span class="sent-file-name">${file.name}</span>
      <span class="sent-file-size">${isGone ? t("chat.file.gone") : sizeOf(file.size)}</span>
    </a>
  `;
}
