/** A storage like the browser's, of the test's own. */

export function shelf() {
  /** @type {Map<string, string>} */
  const kept = new Map();
  return {
    /** @param {string} key */
    getItem: (key) => kept.get(key) ?? null,
    /** @param {string} key @param {string} value */
    setItem: (key, value) => void kept.set(key, value),
    /** @param {string} key */
    removeItem: (key) => void kept.delete(key),
  };
}
