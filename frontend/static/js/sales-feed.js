/**
 * The sales as they stand: a summary that was asked for, and what was told since.
 *
 * It is asked for again whenever something may have been missed, when another period is chosen, and when a minute
 * is over, because the period moves on then.
 */
import { connection, on, request } from "./socket.js";
import { counted, toldSince } from "./sales-figures.js";
import { createStore } from "./store.js";

export const PERIODS = [15, 60, 1440];

const SHOW_MS = 100; // what is told meanwhile is shown together
const AGAIN_MS = 2000;
const SPREAD_MS = 1000; // so that not everybody asks at the turn of the minute
const MINUTE_MS = 60_000;

/**
 * @typedef {import("./sales-figures.js").Sale} Sale
 * @typedef {import("./sales-figures.js").Summary} Summary
 * @typedef {{
 *   summary: Summary | null, minutes: number, isPaused: boolean, held: number, fault: string,
 * }} SalesState
 */

/** @type {SalesState} */
const NOTHING_YET = { summary: null, minutes: 15, isPaused: false, held: 0, fault: "" };

export const sales = createStore(NOTHING_YET);

/** @type {Summary | null} what is true now; the store has what is shown, which stands still in a pause */
let present = null;
/** @type {Sale[]} told, and not counted yet */
let told = [];
let asked = 0;
let isAsking = false;
let showTimer = 0;
let askTimer = 0;

/** Begin to follow; from then on the store tells. */
export function followSales() {
  on("sales:record", heard);
  on("sales:gap", ask);
  on("session:resync", ask);
  let was = "";
  connection.follow(({ state }) => {
    if (state === "live" && was !== "live") ask();
    was = state;
  });
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) ask();
    else if (connection.get().state === "live") request("sales:unwatch").catch(() => {});
  });
}

/** @param {number} minutes */
export function choosePeriod(minutes) {
  sales.set({ minutes });
  ask();
}

export function pause() {
  sales.set({ isPaused: true, held: 0 });
}

export function resume() {
  sales.set({ isPaused: false, held: 0 });
  show();
}

/** @param {Sale} sale */
function heard(sale) {
  told.push(sale);
  const { isPaused, held } = sales.get();
  if (isPaused) sales.set({ held: held + 1 });
  if (!isAsking && !showTimer) showTimer = setTimeout(count, SHOW_MS);
}

function count() {
  showTimer = 0;
  if (!present || isAsking) return;
  present = counted(present, told);
  told = [];
  show();
}

function show() {
  const { isPaused, summary, minutes } = sales.get();
  // In a pause another period may be asked for, and that is shown, as it stood then.
  if (isPaused && summary?.minutes === minutes) return;
  sales.set({ summary: present });
}

/** Watch first, then ask: what is told in between is in `told`, and `toldSince` knows what of it is new. */
async function ask() {
  if (document.hidden || connection.get().state !== "live") return;
  const mine = ++asked;
  clearTimeout(askTimer);
  isAsking = true;
  try {
    await request("sales:watch");
    const summary = await request("sales:summary", { minutes: sales.get().minutes });
    if (mine !== asked) return;
    present = counted(summary, toldSince(summary, told));
    told = [];
    isAsking = false;
    sales.set({ fault: "" });
    show();
    askTimer = setTimeout(ask, MINUTE_MS - (Date.parse(summary.now) % MINUTE_MS) + Math.random() * SPREAD_MS);
  } catch (fault) {
    if (mine !== asked) return;
    isAsking = false;
    sales.set({ fault: fault instanceof Error ? fault.message : String(fault) });
    askTimer = setTimeout(ask, AGAIN_MS);
  }
}
