/**
 * What was written and has not arrived yet: sent in order, one at a time, with the same id however often it is tried.
 *
 * It is kept in the tab's sessionStorage until the server has acknowledged it, so that neither a reload nor a restart
 * of the server loses it or sends it twice.
 */
import { waitBeforeTry } from "../backoff.js";
import { createStore } from "../store.js";

/** Tries in a row, on a live connection, after which the person is asked. */
const MOST_TRIES = 8;

/** The server may do it later: all else is tried again only when a person says so. */
const PASSING = new Set(["offline", "timeout", "unavailable", "rate_limited", "internal"]);

/** @typedef {import("./log-book.js").Message} Message */
/** @typedef {import("./log-book.js").SentFile} SentFile */
/** @typedef {"queued" | "sending" | "failed"} EntryState */
/**
 * `code` and `fault` say why it failed: one of the server's codes, and its words.
 * @typedef {{
 *   id: string, room: string, text: string, files: SentFile[], at: string,
 *   state: EntryState, code: string, fault: string,
 * }} Entry
 */

/**
 * @typedef {{
 *   storage: Pick<Storage, "getItem" | "setItem" | "removeItem">, key: string,
 *   clock: Pick<import("../number-loop.js").Clock, "after">, random: () => number,
 *   send: (entry: Entry) => Promise<Message>,
 *   rejoin: () => Promise<void>,
 *   onSent: (message: Message) => void,
 * }} Parts `rejoin` is asked for once where the server says that the sender is not in the room
 */

/** @param {Parts} parts */
export function createOutbox({ storage, key, clock, random, send, rejoin, onSent }) {
  const box = createStore({ entries: read(storage, key) });
  /** The room whose messages can be sent now. @type {string | null} */
  let open = null;
  let turn = 0;
  let tries = 0;
  /** The message for which the room was entered again; the second refusal counts. */
  let rejoinedFor = "";
  let isBusy = false;
  let cancel = () => {};

  /** @param {Entry[]} entries */
  function set(entries) {
    box.set({ entries });
    try {
      if (entries.length > 0) storage.setItem(key, JSON.stringify(entries));
      else storage.removeItem(key);
    } catch {
      // A full or forbidden storage costs the promise for reloads alone.
    }
  }

  /** @param {string} id @param {Partial<Entry>} news */
  function change(id, news) {
    set(box.get().entries.map((entry) => (entry.id === id ? { ...entry, ...news } : entry)));
  }

  /** @param {string} id */
  function remove(id) {
    set(box.get().entries.filter((entry) => entry.id !== id));
  }

  async function next() {
    cancel();
    const entry = box.get().entries.find(({ state, room }) => state !== "failed" && room === open);
    if (isBusy || !entry) return;
    isBusy = true;
    const mine = ++turn;
    change(entry.id, { state: "sending", fault: "" });
    try {
      const message = await send(entry);
      if (mine !== turn) return;
      tries = 0;
      remove(entry.id);
      onSent(message);
    } catch (error) {
      if (mine !== turn) return;
      await failed(entry, /** @type {{ code?: string, message?: string }} */ (error));
      if (mine !== turn) return;
    }
    isBusy = false;
    if (tries === 0) next();
    else cancel = clock.after(waitBeforeTry(tries, random), next);
  }

  /** @param {Entry} entry @param {{ code?: string, message?: string }} error */
  async function failed(entry, { code = "internal", message = "" }) {
    tries += 1;
    if (code === "forbidden" && rejoinedFor !== entry.id) {
      rejoinedFor = entry.id;
      change(entry.id, { state: "queued" });
      await rejoin().catch(() => {});
    } else if (PASSING.has(code) && (tries < MOST_TRIES || open === null)) {
      change(entry.id, { state: "queued" });
    } else {
      tries = 0;
      change(entry.id, { state: "failed", fault: message, code });
    }
  }

  return {
    entries: box,

    /** @param {Pick<Entry, "id" | "room" | "text" | "files" | "at">} message */
    put(message) {
      set([...box.get().entries, { ...message, state: "queued", fault: "", code: "" }]);
      next();
    },

    /** Messages to this room can be sent from now on; null: to none. @param {string | null} room */
    opened(room) {
      open = room;
      tries = 0;
      cancel();
      if (room === null) {
        turn += 1; // an answer that still comes is no answer any more: the same id is asked with again
        isBusy = false;
        set(box.get().entries.map((entry) => (entry.state === "sending" ? { ...entry, state: "queued" } : entry)));
      } else next();
    },

    /** The message has been seen in its room, which is as good as an answer. @param {string} id */
    arrived(id) {
      const entry = box.get().entries.find((one) => one.id === id);
      if (!entry) return;
      remove(id);
      if (entry.state !== "sending") return;
      turn += 1;
      tries = 0;
      isBusy = false;
      next();
    },

    /** @param {string} id */
    retry(id) {
      change(id, { state: "queued", fault: "", code: "" });
      tries = 0;
      next();
    },

    /** Give a message up; what is under way cannot be. @param {string} id @returns {Entry | undefined} */
    discard(id) {
      const entry = box.get().entries.find((one) => one.id === id && one.state !== "sending");
      if (entry) remove(id);
      return entry;
    },
  };
}

/** @param {Parts["storage"]} storage @param {string} key @returns {Entry[]} */
function read(storage, key) {
  try {
    /** @type {Entry[]} */
    const entries = JSON.parse(storage.getItem(key) ?? "[]");
    // What was under way when the page went may have arrived: the same id finds out.
    return entries.map((entry) => (entry.state === "sending" ? { ...entry, state: "queued" } : entry));
  } catch {
    return [];
  }
}
