/** The messages that the page shows: the newest ones, older ones as they are scrolled to, and new ones as they come. */
import { filtersOf, queryOf, requestOf } from "./log-filters.js";
import { t } from "./page.js";
import { connection, request } from "./socket.js";
import { createStore } from "./store.js";

/**
 * @typedef {{ seq: number, at: string, gateway: string, connection: string, user: string, name: string,
 *   direction: "in" | "out", event: string, outcome: string, recipients: number, payload: unknown, size: number }} Message
 * @typedef {{ filters: import("./log-filters.js").Filters, messages: Message[] | null, next: number | null,
 *   isSearching: boolean, isFollowing: boolean, fault: string }} Log `messages` are the newest first
 */

const PAGE = 100;
const MOST_NEW = 500;
const ASK_EVERY_MS = 1000;
const TYPING_PAUSE_MS = 300;
const MOST_SHOWN = 20_000;

/** @type {Log} */
const NOTHING_YET = {
  filters: filtersOf(location.search),
  messages: null,
  next: null,
  isSearching: false,
  isFollowing: true,
  fault: "",
};

export const log = createStore(NOTHING_YET);

/** Answers to what was asked before this are not wanted any more. */
let search = 0;
let isAsking = false;
let pause = 0;

/** Keep the page up to date, from each (re)connection on. */
export function followLog() {
  let was = connection.get().state;
  connection.follow(({ state }) => {
    if (state === "live" && was !== "live") {
      if (log.get().messages === null) searchAnew();
      else askForNew();
    }
    was = state;
  });
  setInterval(askForNew, ASK_EVERY_MS);
  addEventListener("popstate", () => {
    log.set({ filters: filtersOf(location.search) });
    searchAnew();
  });
}

/** @param {Partial<import("./log-filters.js").Filters>} changed @param {{ isTyped?: boolean }} [how] */
export function setFilters(changed, { isTyped = false } = {}) {
  const filters = { ...log.get().filters, ...changed };
  log.set({ filters, isFollowing: true });
  history.replaceState(null, "", `${location.pathname}${queryOf(filters)}`);
  clearTimeout(pause);
  pause = setTimeout(searchAnew, isTyped ? TYPING_PAUSE_MS : 0);
}

/** Follow what is new, or hold still. @param {boolean} isFollowing */
export function setFollowing(isFollowing) {
  if (log.get().isFollowing === isFollowing) return;
  log.set({ isFollowing });
  if (isFollowing) askForNew();
}

/** Begin again with the newest messages. */
export async function searchAnew() {
  const own = ++search;
  log.set({ isSearching: true, fault: "" });
  try {
    const found = await firstPage(own);
    if (found && own === search) log.set({ ...found, isSearching: false });
  } catch (error) {
    if (own === search) log.set({ isSearching: false, fault: reason(error) });
  }
}

/** More of the older ones, where there are any. */
export async function showOlder() {
  const { next, isSearching, messages } = log.get();
  if (next === null || isSearching || !messages || messages.length >= MOST_SHOWN) return;
  const own = search;
  log.set({ isSearching: true });
  try {
    const answer = await ask({ before: next, limit: PAGE });
    if (own !== search) return;
    log.set({ messages: [...(log.get().messages ?? []), ...answer.messages], next: answer.next, isSearching: false });
  } catch (error) {
    if (own === search) log.set({ isSearching: false, fault: reason(error) });
  }
}

/** The first page may take several answers: a long search comes in parts. @param {number} own */
async function firstPage(own) {
  /** @type {Message[]} */
  const messages = [];
  /** @type {number | null} */
  let next = null;
  do {
    const answer = await ask({ ...(next === null ? {} : { before: next }), limit: PAGE });
    if (own !== search) return null;
    messages.push(...answer.messages);
    next = answer.next;
  } while (next !== null && messages.length === 0);
  return { messages, next };
}

async function askForNew() {
  const { messages, isFollowing, filters } = log.get();
  if (!messages || !isFollowing || filters.until || isAsking) return;
  if (document.hidden || connection.get().state !== "live") return;
  const own = search;
  isAsking = true;
  try {
    const answer = await ask({ after: messages[0]?.seq ?? 0, limit: MOST_NEW });
    if (own !== search) return;
    if (answer.next !== null) {
      await searchAnew(); // more than can be followed: go on with the newest
    } else if (answer.messages.length) {
      const shown = [...answer.messages.reverse(), ...(log.get().messages ?? [])];
      const isCut = shown.length > MOST_SHOWN;
      const kept = isCut ? shown.slice(0, MOST_SHOWN) : shown;
      log.set({ messages: kept, fault: "", ...(isCut ? { next: kept[kept.length - 1].seq } : {}) });
    } else if (log.get().fault) {
      log.set({ fault: "" });
    }
  } catch (error) {
    if (own === search) log.set({ fault: reason(error) });
  } finally {
    isAsking = false;
  }
}

/** @param {object} page @returns {Promise<{ messages: Message[], next: number | null }>} */
function ask(page) {
  return request("journal:messages", { ...requestOf(log.get().filters), ...page });
}

/** @param {unknown} error */
const reason = (error) => (error instanceof Error ? error.message : t("error.internal"));
