/** Tells the server that the person types: not with every key, and not for longer than is true. */

/** The server forgets it after 6 s; every 3 s is often enough. */
export const REPEAT_MS = 3000;

/** @param {{ now: () => number, tell: (typing: boolean) => void }} parts */
export function createTypingNotice({ now, tell }) {
  let toldAt = -Infinity;
  return {
    /** @param {string} text as it is after a change */
    typed(text) {
      if (!text.trim()) return this.ended();
      if (now() - toldAt < REPEAT_MS) return undefined;
      toldAt = now();
      return tell(true);
    },

    /** The text is gone again. */
    ended() {
      if (now() - toldAt < 2 * REPEAT_MS) tell(false);
      toldAt = -Infinity;
    },

    /** The server has ended it by itself: the message is sent, or the room is another. */
    forgotten() {
      toldAt = -Infinity;
    },
  };
}
