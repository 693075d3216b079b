/**
 * The right to be the one tab that does something, kept in localStorage: for pages without the Web Locks API.
 *
 * A tab writes its id with an end time, waits a moment and looks whether it is still its own; the holder renews.
 * Two tabs may believe to hold it for less than a renewal, which is harmless here, and why locks come first.
 */

export const LEASE_MS = 3000;
export const RENEW_MS = 1000;
const SETTLE_MS = 60;

/**
 * @typedef {Pick<Storage, "getItem" | "setItem" | "removeItem">} Shelf
 * @param {{
 *   storage: Shelf, key: string, id: string, random: () => number,
 *   clock: import("./number-loop.js").Clock, onGain: () => void, onLoss: () => void,
 * }} parts `clock.now` is the same for all tabs, as Date.now is
 */
export function contend({ storage, key, id, random, clock, onGain, onLoss }) {
  let isHeld = false;
  let isOver = false;
  let cancel = () => {};

  function holder() {
    const [name = "", until = "0"] = (storage.getItem(key) ?? "").split(" ");
    return { name, leftMs: Number(until) - clock.now() };
  }

  function write() {
    storage.setItem(key, `${id} ${clock.now() + LEASE_MS}`);
  }

  function attempt() {
    const { name, leftMs } = holder();
    if (name !== id && leftMs > 0) {
      cancel = clock.after(Math.min(leftMs, LEASE_MS) + random() * SETTLE_MS, attempt);
      return;
    }
    write();
    cancel = clock.after(SETTLE_MS * (1 + random()), settle);
  }

  function settle() {
    if (holder().name !== id) return attempt();
    isHeld = true;
    cancel = clock.after(RENEW_MS, renew);
    return onGain();
  }

  function renew() {
    if (holder().name === id) {
      write();
      cancel = clock.after(RENEW_MS, renew);
      return;
    }
    isHeld = false; // this tab slept past its time, and another one took over
    onLoss();
    attempt();
  }

  attempt();
  return {
    /** The record was removed by its holder: no need to wait for its end. */
    freed() {
      if (isOver || isHeld) return;
      cancel();
      cancel = clock.after(random() * SETTLE_MS, attempt);
    },
    release() {
      isOver = true;
      cancel();
      if (holder().name === id) storage.removeItem(key);
    },
  };
}
