/** How far this person has read in each room, the same in all tabs of the browser. */
import { createStore } from "../store.js";

/** @typedef {{ read: Record<string, number> }} Reading the last `seq` read by room; a room never seen has none */

/** @param {{ storage: Pick<Storage, "getItem" | "setItem">, key: string }} parts */
export function createReading({ storage, key }) {
  /** @type {import("../store.js").Store<Reading>} */
  const store = createStore({ read: load() });

  /** @returns {Record<string, number>} */
  function load() {
    try {
      return JSON.parse(storage.getItem(key) ?? "{}");
    } catch {
      return {};
    }
  }

  /** @param {string} room @param {number} seq */
  function put(room, seq) {
    const read = { ...load(), [room]: seq };
    store.set({ read });
    try {
      storage.setItem(key, JSON.stringify(read));
    } catch {
      // Without the storage each tab counts by itself.
    }
  }

  return {
    store,

    /** @param {string} room @returns {number | undefined} */
    of: (room) => store.get().read[room],

    /** @param {string} room @param {number} seq */
    readTo(room, seq) {
      if (seq > (store.get().read[room] ?? -1)) put(room, seq);
    },

    /**
     * What was said before somebody first saw a room is not news; nor is a room that began anew.
     * @param {{ id: string, seq: number }[]} rooms
     */
    seen(rooms) {
      for (const { id, seq } of rooms) {
        const read = store.get().read[id];
        if (read === undefined || read > seq) put(id, seq);
      }
    },

    /** Another tab has read on. */
    changedElsewhere: () => store.set({ read: load() }),
  };
}
