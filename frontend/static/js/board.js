/** The board: how everybody's values are spread, and the values themselves, once a second. */
import { useEffect, useState } from "preact/hooks";

import { html } from "./html.js";
import { myNumber } from "./my-number.js";
import { t } from "./page.js";
import { connection, on, request } from "./socket.js";
import { useStore } from "./store.js";

const BAR_WIDTH = 10;
const HEIGHT = 120;

/**
 * @typedef {{ user: string, value: number, step: number }} Row
 * @typedef {{ active: number, values: Row[], histogram: number[] }} BoardState
 */

export function Board() {
  const board = useBoard();
  const { value, role } = useStore(myNumber);
  const isCut = board !== null && board.active > board.values.length;
  if (!board) return html`<p class="quiet" role="status">${t("board.waiting")}</p>`;
  return html`
    <p class="board-active">
      <strong data-testid="active">${board.active}</strong> ${t("board.active")}
    </p>
    <${Histogram} counts=${board.histogram} mine=${role === "waiting" ? null : value} />
    <div class="board-rows" role="region" aria-label=${t("board.rows")} tabindex="0">
      <ul>
        ${board.values.map((row, place) => html`<${BoardRow} key=${place} ...${row} />`)}
      </ul>
    </div>
    ${isCut && html`<p class="quiet">${t("board.more", { shown: board.values.length })}</p>`}
  `;
}

/** Follows the board while the page can be seen, from each (re)connection on, and again after a gap. */
function useBoard() {
  const [board, setBoard] = useState(/** @type {BoardState | null} */ (null));
  useEffect(() => {
    // A refusal needs no word here: the pill tells of a lost connection, and the next one asks again.
    const ask = () => {
      if (connection.get().state !== "live") return;
      request(document.hidden ? "numbers:unwatch" : "numbers:watch").catch(() => {});
    };
    let was = "";
    const stops = [
      on("numbers:board", setBoard),
      on("session:resync", ask),
      connection.follow(({ state }) => {
        if (state === "live" && was !== "live") ask();
        was = state;
      }),
    ];
    was = connection.get().state;
    document.addEventListener("visibilitychange", ask);
    ask();
    return () => {
      document.removeEventListener("visibilitychange", ask);
      for (const stop of stops) stop();
    };
  }, []);
  return board;
}

/** @param {{ counts: number[], mine: number | null }} props */
function Histogram({ counts, mine }) {
  const most = Math.max(1, ...counts);
  return html`
    <figure class="histogram">
      <svg
        viewBox=${`0 0 ${counts.length * BAR_WIDTH} ${HEIGHT}`}
        preserveAspectRatio="none"
        role="img"
        aria-label=${t("board.histogram")}
      >
        ${counts.map((count, value) => {
          const isMine = value === mine; // known before the board, which is up to a second old, counts it there
          const height = count === 0 && !isMine ? 2 : 8 + (count / most) * (HEIGHT - 8);
          const kind = isMine ? "bar is-mine" : count === 0 ? "bar is-empty" : "bar";
          return html`<rect
            key=${value}
            class=${kind}
            x=${value * BAR_WIDTH + 1.5}
            width=${BAR_WIDTH - 3}
            y=${HEIGHT - height}
            height=${height}
          />`;
        })}
      </svg>
      <figcaption aria-hidden="true">
        <span>0</span><span>25</span><span>50</span><span>75</span><span>99</span>
      </figcaption>
    </figure>
  `;
}

/** @param {Row} props */
function BoardRow({ user, value, step }) {
  return html`
    <li class="board-row" data-testid="board-row">
      <span class="board-name" title=${user}>${user}</span>
      <span class="board-value"><span class="visually-hidden">${t("number.label")}: </span>${value}</span>
      <span class="board-step"><span class="visually-hidden">${t("number.step")} </span>+${step}</span>
      <svg class="board-place" viewBox="0 0 100 2" preserveAspectRatio="none" aria-hidden="true">
        <rect width=${value + 1} height="2" />
      </svg>
    </li>
  `;
}
