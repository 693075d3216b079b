/** The table: only the rows that can be seen are in the page, however many messages there are. */
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";

import { html } from "./html.js";
import { log, setFollowing, showOlder } from "./log-feed.js";
import { lang, t } from "./page.js";
import { useStore } from "./store.js";

const BEYOND = 8; // rows above and below those that are seen, so that fast scrolling shows no holes
const NEARLY_ALL = 30; // rows before the end at which older ones are asked for
const AT_TOP_PX = 8;

const clock = new Intl.DateTimeFormat(lang, {
  hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 3, hour12: false,
});
const day = new Intl.DateTimeFormat(lang, { day: "2-digit", month: "2-digit" });
const count = new Intl.NumberFormat(lang);

/** @param {{ onOpen: (seq: number) => void, opened: number | null }} props */
export function LogTable({ onOpen, opened }) {
  const { messages, next, isFollowing } = useStore(log);
  const rows = messages ?? [];
  const [cursor, setCursor] = useState(0);
  const { place, top, height, rowHeight, toTop } = useWindow(rows, isFollowing);
  const first = Math.max(0, Math.floor(top / rowHeight) - BEYOND);
  const last = Math.min(rows.length, Math.ceil((top + height) / rowHeight) + BEYOND);
  const isNearEnd = last >= rows.length - NEARLY_ALL;
  useEffect(() => {
    if (isNearEnd) showOlder();
  }, [isNearEnd, rows.length, next]);
  useEffect(() => {
    const at = rows.findIndex((message) => message.seq === opened);
    if (at >= 0) go(at);
  }, [opened]);

  /** @param {number} to */
  function go(to) {
    const at = Math.max(0, Math.min(rows.length - 1, to));
    setCursor(at);
    const box = place.current;
    if (!box) return;
    if (at * rowHeight < box.scrollTop) box.scrollTop = at * rowHeight;
    else if ((at + 1) * rowHeight > box.scrollTop + box.clientHeight) {
      box.scrollTop = (at + 1) * rowHeight - box.clientHeight;
    }
  }

  /** @param {KeyboardEvent} event */
  function onKeyDown(event) {
    const page = Math.max(1, Math.floor(height / rowHeight) - 1);
    /** @type {Record<string, number>} */
    const moves = { ArrowDown: cursor + 1, ArrowUp: cursor - 1, PageDown: cursor + page, PageUp: cursor - page,
      Home: 0, End: rows.length - 1 };
    if (event.key in moves) go(moves[event.key]);
    else if (event.key === "Enter" && rows[cursor]) onOpen(rows[cursor].seq);
    else return;
    event.preventDefault();
  }

  return html`
    <div class="log-head" aria-hidden="true">
      <span>${t("log.at")}</span><span></span><span>${t("log.event")}</span><span>${t("log.user")}</span>
      <span>${t("log.outcome")}</span><span>${t("log.payload")}</span><span class="is-number">${t("log.size")}</span>
    </div>
    <div
      class="log-rows"
      ref=${place}
      role="listbox"
      aria-label=${t("log.table")}
      aria-activedescendant=${rows[cursor] && cursor >= first && cursor < last ? `m${rows[cursor].seq}` : undefined}
      tabindex="0"
      onKeyDown=${onKeyDown}
    >
      <div class="log-all" style=${{ height: `${rows.length * rowHeight}px` }}>
        <div class="log-seen" style=${{ transform: `translateY(${first * rowHeight}px)` }}>
          ${rows.slice(first, last).map((message, offset) => html`
            <${Row}
              key=${message.seq}
              message=${message}
              isCurrent=${first + offset === cursor}
              place=${first + offset + 1}
              total=${next === null ? rows.length : -1}
              onOpen=${() => {
                setCursor(first + offset);
                onOpen(message.seq);
              }}
            />
          `)}
        </div>
      </div>
    </div>
    <div class="log-foot">
      <p class="quiet" role="status">${isNearEnd && (next === null ? t("log.end") : t("log.older"))}</p>
      ${!isFollowing && html`<button type="button" class="button" onClick=${toTop}>${t("log.newest")}</button>`}
    </div>
  `;
}

/**
 * Which part of the rows is seen. Scrolling away from the newest pauses; while paused nothing moves.
 * @param {import("./log-feed.js").Message[]} rows
 * @param {boolean} isFollowing
 */
function useWindow(rows, isFollowing) {
  const place = useRef(/** @type {HTMLElement | null} */ (null));
  const [seen, setSeen] = useState({ top: 0, height: 600, rowHeight: 40 });
  useLayoutEffect(() => {
    const box = place.current;
    if (!box) return undefined;
    const measure = () => {
      const rowHeight = parseFloat(getComputedStyle(box).getPropertyValue("--row-px")) || 40;
      setSeen({ top: box.scrollTop, height: box.clientHeight, rowHeight });
    };
    const scrolled = () => {
      measure();
      if (log.get().filters.until === "") setFollowing(box.scrollTop <= AT_TOP_PX);
    };
    const resized = new ResizeObserver(measure);
    resized.observe(box);
    box.addEventListener("scroll", scrolled, { passive: true });
    measure();
    return () => {
      resized.disconnect();
      box.removeEventListener("scroll", scrolled);
    };
  }, []);
  useLayoutEffect(() => {
    if (isFollowing && place.current && place.current.scrollTop > AT_TOP_PX) place.current.scrollTop = 0;
  }, [rows, isFollowing]);
  const toTop = () => {
    if (place.current) place.current.scrollTop = 0;
    setFollowing(true);
    place.current?.focus();
  };
  return { place, toTop, ...seen };
}

/**
 * @param {{ message: import("./log-feed.js").Message, isCurrent: boolean, place: number, total: number,
 *   onOpen: () => void }} props
 */
function Row({ message, isCurrent, place, total, onOpen }) {
  const { seq, at, direction, event, outcome, payload, size } = message;
  return html`
    <div
      class=${`log-row is-${direction}`}
      id=${`m${seq}`}
      role="option"
      aria-selected=${isCurrent}
      aria-posinset=${place}
      aria-setsize=${total}
      data-testid="message"
      data-seq=${seq}
      onClick=${onOpen}
    >
      <time datetime=${at}>${shownTime(at)}</time>
      <span class="log-direction"><span aria-hidden="true">${direction === "in" ? "→" : "←"}</span>
        <span class="visually-hidden">${direction === "in" ? t("log.direction.in") : t("log.direction.out")}</span></span>
      <span class="log-event">${event || "–"}</span>
      <span class="log-user" title=${message.user}>${whoOf(message)}</span>
      <span class=${`log-outcome ${outcome === "ok" ? "" : "is-refused"}`}>${outcome}</span>
      <span class="log-payload">${excerpt(payload, size)}</span>
      <span class="log-size is-number">${count.format(size)}</span>
    </div>
  `;
}

/** @param {import("./log-feed.js").Message} message */
export function whoOf({ name, user, recipients, direction }) {
  if (name || user) return name || user;
  return direction === "out" ? t("log.many", { count: count.format(recipients) }) : t("log.nobody");
}

/** The time of day, and the day where it is another one. @param {string} iso */
function shownTime(iso) {
  const at = new Date(iso);
  return at.toDateString() === new Date().toDateString() ? clock.format(at) : `${day.format(at)} ${clock.format(at)}`;
}

/** @param {unknown} payload @param {number} size of what was sent */
function excerpt(payload, size) {
  if (payload === null) return size > 0 ? html`<i>${t("log.not-kept")}</i>` : "–";
  const text = typeof payload === "string" ? payload : JSON.stringify(payload);
  return text.length > 300 ? `${text.slice(0, 300)}…` : text;
}
