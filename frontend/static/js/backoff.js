/** How long to wait before connecting again. */

const FIRST_MS = 400;
const MOST_MS = 5000;

/**
 * Doubles up to 5 s, and half of it is chance: thousands of pages that lost one gateway must not come back as one.
 * @param {number} failures in a row, 0 for the first try after a loss
 * @param {() => number} random
 */
export function waitBeforeTry(failures, random) {
  const most = Math.min(MOST_MS, FIRST_MS * 2 ** Math.min(failures, 10));
  return most / 2 + (random() * most) / 2;
}
