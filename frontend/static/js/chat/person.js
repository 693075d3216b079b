/** A person as others see them: a coloured initial, always the same for the same person. */
import { html } from "../html.js";
import { lang } from "../page.js";

const TINTS = 6;

/** @param {{ who: import("./log-book.js").Member }} props */
export function Initial({ who }) {
  return html`<span class=${`initial tint-${tintOf(who.id)}`} aria-hidden="true">${initial(who.name)}</span>`;
}

/** @param {string} id */
function tintOf(id) {
  let sum = 0;
  for (const char of id) sum = (sum * 31 + char.charCodeAt(0)) % 9973;
  return sum % TINTS;
}

/** The first character as a person sees it: an emoji or a letter with its accents is one. @param {string} name */
function initial(name) {
  for (const { segment } of new Intl.Segmenter(lang).segment(name)) return segment.toLocaleUpperCase(lang);
  return "";
}
