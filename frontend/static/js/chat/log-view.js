/**
 * The log and how it scrolls: it follows what is new only while its end can be seen, keeps its place when older
 * messages come in above, and begins at the first unread one.
 */
import { Component, createRef } from "preact";

import { html } from "../html.js";
import { t } from "../page.js";
import { Icon } from "./icons.js";
import { LogRow } from "./log-row.js";

const NEAR_PX = 48;
const EARLIER_PX = 400; // older messages are asked for before the top is reached

/**
 * @typedef {{
 *   room: string, name: string, rows: import("./log-rows.js").Row[], isReady: boolean, hasEarlier: boolean,
 *   isLoading: boolean, historyFault: string, waiting: number,
 *   onEarlier: () => void, onBottom: (isThere: boolean) => void,
 * }} Props `waiting`: how many messages by others are below what can be seen
 * @typedef {{ key: string | undefined, offset: number }} Place the first row that can be seen, and where
 */

/** @extends {Component<Props, { isAtBottom: boolean }>} */
export class LogView extends Component {
  /** @type {import("preact").RefObject<HTMLDivElement | null>} */
  box = createRef();
  state = { isAtBottom: true };
  /** The room that the scroll position belongs to. */
  shown = "";
  observer = new ResizeObserver(() => this.resized());

  componentDidMount() {
    if (this.box.current) this.observer.observe(this.box.current);
    this.settle();
  }

  componentWillUnmount() {
    this.observer.disconnect();
  }

  /** @param {Props} before @returns {Place} */
  getSnapshotBeforeUpdate(before) {
    const box = this.box.current;
    if (!box || before.room !== this.props.room) return { key: undefined, offset: 0 };
    const first = [...box.querySelectorAll("li")].find((row) => row.offsetTop + row.offsetHeight > box.scrollTop);
    return { key: first?.dataset.key, offset: first ? first.offsetTop - box.scrollTop : 0 };
  }

  /** @param {Props} before @param {unknown} _state @param {Place} place */
  componentDidUpdate(before, _state, place) {
    const { rows, room, isReady } = this.props;
    if (this.shown !== room || !isReady) return this.settle();
    const last = rows.at(-1);
    const wroteMyself = last?.is === "entry" && before.rows.at(-1)?.key !== last.key;
    if (this.state.isAtBottom || wroteMyself) this.toBottom();
    else if (before.rows !== rows) this.keep(place);
    return this.look();
  }

  /** A room that was just entered: at the first unread message, else at the end. */
  settle() {
    const box = this.box.current;
    if (!box || !this.props.isReady || this.shown === this.props.room) return;
    this.shown = this.props.room;
    this.toBottom();
    const unread = /** @type {HTMLElement | null} */ (box.querySelector("#unread"));
    if (unread && unread.offsetTop < box.scrollTop) box.scrollTop = unread.offsetTop - box.clientHeight / 4;
    this.look();
  }

  /** @param {Place} place */
  keep({ key, offset }) {
    const box = this.box.current;
    const row = box && [...box.querySelectorAll("li")].find((one) => one.dataset.key === key);
    if (box && row && key) box.scrollTop = row.offsetTop - offset;
  }

  toBottom() {
    const box = this.box.current;
    if (box) box.scrollTop = box.scrollHeight;
  }

  /** The composer has grown, or a keyboard has come up. */
  resized() {
    if (this.state.isAtBottom) this.toBottom();
    this.look();
  }

  /** What can be seen, from where it is now. */
  look() {
    const box = this.box.current;
    const { room, isReady, hasEarlier, isLoading, historyFault, onEarlier, onBottom } = this.props;
    if (!box || !isReady || this.shown !== room) return;
    const isAtBottom = box.scrollHeight - box.scrollTop - box.clientHeight < NEAR_PX;
    if (isAtBottom !== this.state.isAtBottom) this.setState({ isAtBottom });
    onBottom(isAtBottom);
    if (box.scrollTop < EARLIER_PX && hasEarlier && !isLoading && !historyFault) onEarlier();
  }

  render() {
    const { name, rows, isReady, hasEarlier, isLoading, historyFault, waiting, onEarlier } = this.props;
    const { isAtBottom } = this.state;
    return html`
      <div class="log-place">
        <div
          ref=${this.box} class="log" role="log" tabindex="0" aria-label=${t("chat.log", { room: name })}
          aria-busy=${String(isLoading || !isReady)} data-testid="log" onScroll=${() => this.look()}
        >
          <${Top}
            isReady=${isReady} hasEarlier=${hasEarlier} fault=${historyFault} isEmpty=${rows.length === 0}
            onEarlier=${onEarlier}
          />
          <ol class="log-rows">${rows.map((row) => html`<${LogRow} key=${row.key} row=${row} />`)}</ol>
        </div>
        ${!isAtBottom && html`
          <button
            class=${`to-bottom${waiting > 0 ? " has-new" : ""}`} data-testid="to-bottom"
            onClick=${() => this.toBottom()}
          >
            <${Icon} name="down" /> ${newWords(waiting)}
          </button>
        `}
      </div>
    `;
  }
}

/** @param {number} count */
function newWords(count) {
  if (count === 0) return t("chat.to-bottom");
  return count === 1 ? t("chat.new.one") : t("chat.new.other", { count });
}

/**
 * @typedef {{ isReady: boolean, hasEarlier: boolean, fault: string, isEmpty: boolean, onEarlier: () => void }} TopProps
 * @param {TopProps} props
 */
function Top({ isReady, hasEarlier, fault, isEmpty, onEarlier }) {
  if (fault) {
    return html`
      <p class="log-top">${fault} <button class="link-button" onClick=${onEarlier}>${t("chat.retry")}</button></p>
    `;
  }
  if (isEmpty && isReady) {
    return html`<p class="log-empty">${t("chat.empty")}</p>`;
  }
  if (isEmpty || hasEarlier) {
    return html`<p class="log-top"><span class="spinner" aria-hidden="true"></span>${t("chat.loading")}</p>`;
  }
  return html`<p class="log-top">${t("chat.beginning")}</p>`;
}
