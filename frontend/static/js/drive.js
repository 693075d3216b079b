/** One tab drives: of all tabs of a person in this browser, one at a time is told to. */
import { newId } from "./ids.js";
import { contend } from "./lease.js";
import { ticker } from "./ticker.js";

const tab = newId();

/**
 * Wait for the turn, and keep it until the returned function gives it back or the tab goes.
 *
 * Web Locks do this without a gap, but only on https and localhost. On plain http a lease in localStorage stands in;
 * where even that is blocked every tab drives, and the server keeps what came last.
 * @param {string} userId
 * @param {{ onGain: () => void, onLoss: () => void }} turn
 * @returns {() => void} gives the turn back
 */
export function takeTurn(userId, turn) {
  const name = `pulso-drive-${userId}`;
  if (navigator.locks) return byLock(name, turn);
  try {
    return byLease(name, turn);
  } catch {
    turn.onGain();
    return () => {};
  }
}

/** @type {typeof takeTurn} */
function byLock(name, { onGain }) {
  const waiting = new AbortController();
  let isOver = false;
  let release = () => {};
  const granted = () => {
    if (isOver) return undefined;
    onGain();
    return new Promise((resolve) => {
      release = () => resolve(undefined);
    });
  };
  navigator.locks.request(name, { signal: waiting.signal }, granted).catch((error) => {
    if (error.name !== "AbortError") throw error;
  });
  return () => {
    isOver = true;
    waiting.abort();
    release();
  };
}

/** @type {typeof takeTurn} */
function byLease(name, { onGain, onLoss }) {
  const lease = contend({
    storage: localStorage,
    key: name,
    id: tab,
    random: Math.random,
    clock: { now: Date.now, after: ticker.after },
    onGain,
    onLoss,
  });
  /** @param {StorageEvent} event */
  const changed = (event) => {
    if (event.key === name && event.newValue === null) lease.freed();
  };
  addEventListener("storage", changed);
  addEventListener("pagehide", lease.release);
  return () => {
    removeEventListener("storage", changed);
    removeEventListener("pagehide", lease.release);
    lease.release();
  };
}
