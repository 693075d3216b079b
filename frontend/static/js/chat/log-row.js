/** One row of the log: a day, the unread line, who came and went, or a message. */
import { Component } from "preact";

import { html } from "../html.js";
import { t, user } from "../page.js";
import { Icon } from "./icons.js";
import { Initial } from "./person.js";
import { reasonOf } from "./reason.js";
import { drafts, outbox } from "./sending.js";
import { SentFile } from "./sent-file.js";
import { dayName, inFull, timeOf, together } from "./time.js";
import { showCard } from "./user-card.js";
import { piecesOf } from "./words.js";

/** @typedef {import("./log-rows.js").Row} Row */
/** @typedef {import("./log-book.js").Member} Member */

const MARKS = { queued: "clock", sending: "clock", sent: "check", failed: "warning" };

/** @type {Member} */
const ME = { id: user?.id ?? "", name: user?.name ?? "" };

/** @extends {Component<{ row: Row }>} */
export class LogRow extends Component {
  /** Of hundreds of rows one or two have changed. @param {{ row: Row }} next */
  shouldComponentUpdate({ row }) {
    const now = this.props.row;
    if (row.is === "message" && now.is === "message") return row.message !== now.message || row.isFirst !== now.isFirst;
    if (row.is === "entry" && now.is === "entry") return row.entry !== now.entry || row.isFirst !== now.isFirst;
    return true;
  }

  render() {
    const { row } = this.props;
    switch (row.is) {
      case "day":
        return html`<li class="row-day" data-key=${row.key} data-testid="day"><span>${dayName(row.at)}</span></li>`;
      case "unread":
        return html`
          <li class="row-unread" data-key=${row.key} id="unread" data-testid="unread">
            <span>${t("chat.unread")}</span>
          </li>
        `;
      case "notice":
        return html`<li class="row-notice" data-key=${row.key} data-testid="notice">${said(row)}</li>`;
      case "message": {
        return html`<${Message} ...${row.message} id=${row.key} state="sent" isFirst=${row.isFirst} />`;
      }
      default: {
        return html`<${Message} ...${row.entry} author=${ME} isFirst=${row.isFirst} entry=${row.entry} />`;
      }
    }
  }
}

/** @param {{ what: "joined" | "left", names: string[] }} notice */
function said({ what, names }) {
  const who = [...new Set(names)];
  const values = { names: together(who) };
  if (what === "joined") return who.length === 1 ? t("chat.joined.one", values) : t("chat.joined.other", values);
  return who.length === 1 ? t("chat.left.one", values) : t("chat.left.other", values);
}

/**
 * @typedef {{
 *   id: string, author: Member, text: string, files: import("./log-book.js").SentFile[], at: string,
 *   state: keyof typeof MARKS, isFirst: boolean, entry?: import("./outbox.js").Entry,
 * }} MessageProps
 * @param {MessageProps} props
 */
function Message({ id, author, text, files, at, state, isFirst, entry }) {
  const isMine = author.id === ME.id;
  const look = `message${isMine ? " is-mine" : ""}${isFirst ? " is-first" : ""}`;
  return html`
    <li class=${look} data-key=${id} data-testid="message" data-state=${state}>
      ${isFirst && !isMine && html`<${Initial} who=${author} />`}
      <div class="message-body">
        ${isFirst && html`<${Author} author=${author} isMine=${isMine} />`}
        <div class="bubble">
          ${files.length > 0 && html`
            <div class="sent-files">${files.map((file) => html`<${SentFile} key=${file.id} file=${file} />`)}</div>
          `}
          ${text && html`<p class="message-text" data-testid="text">${piecesOf(text).map(piece)}</p>`}
          <p class="message-foot">
            <time datetime=${at} title=${inFull(at)}>${timeOf(at)}</time>
            ${isMine && html`<span class="message-mark" title=${t(`chat.state.${state}`)}>
              <${Icon} name=${MARKS[state]} /><span class="visually-hidden">${t(`chat.state.${state}`)}</span>
            </span>`}
          </p>
        </div>
        ${entry?.state === "failed" && html`<${Failed} entry=${entry} />`}
      </div>
    </li>
  `;
}

/** @param {{ author: Member, isMine: boolean }} props */
function Author({ author, isMine }) {
  if (isMine) return html`<p class="visually-hidden">${t("chat.you")}</p>`;
  return html`<button class="message-author" onClick=${() => showCard(author)}>${author.name}</button>`;
}

/** @param {import("./words.js").Piece} piece */
function piece({ text, href }) {
  return href ? html`<a href=${href} target="_blank" rel="noopener noreferrer nofollow">${text}</a>` : text;
}

/** @param {{ entry: import("./outbox.js").Entry }} props */
function Failed({ entry }) {
  const { id, room, code, fault } = entry;
  const edit = () => {
    const back = outbox.discard(id);
    if (back) drafts.restore(room, back.text, back.files);
  };
  return html`
    <div class="message-failed" role="alert">
      <p>${t("chat.not-sent", { reason: reasonOf({ code, message: fault }) })}</p>
      <button class="link-button" onClick=${() => outbox.retry(id)}>${t("chat.retry")}</button>
      <button class="link-button" onClick=${edit}>${t("chat.edit")}</button>
      <button class="link-button" onClick=${() => outbox.discard(id)}>${t("chat.discard")}</button>
    </div>
  `;
}
