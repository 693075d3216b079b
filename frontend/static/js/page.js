/** What the server wrote into the page for its scripts: who looks at it, the language and its texts. */

/** @typedef {{ id: string, name: string, kind: "guest" | "user" | "admin" }} User */

const data = JSON.parse(document.getElementById("page-data")?.textContent ?? "{}");

/** @type {string} a BCP 47 tag */
export const lang = data.lang;

/** @type {User | null} */
export const user = data.user;

/** @type {Record<string, string>} */
const messages = data.messages;

/**
 * The text of a key, with `{name}` replaced. A key without a text shows itself; a test finds those.
 * @param {string} key
 * @param {Record<string, string | number>} values
 */
export function t(key, values = {}) {
  return (messages[key] ?? key).replace(/\{(\w+)\}/g, (all, name) => String(values[name] ?? all));
}

/** @param {string} key */
export const hasText = (key) => key in messages;
