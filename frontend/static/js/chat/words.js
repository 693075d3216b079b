/** A message's text in pieces, so that the addresses in it can be followed. */

const ADDRESS = /\bhttps?:\/\/[^\s<>"]+/gi;
const CLOSING = /[.,;:!?'"’”»]+$/;

/** @typedef {{ text: string, href: string }} Piece `href` is empty for plain text */

/** @param {string} text @returns {Piece[]} the whole text, piece by piece */
export function piecesOf(text) {
  /** @type {Piece[]} */
  const pieces = [];
  let at = 0;
  for (const match of text.matchAll(ADDRESS)) {
    const address = withoutClosing(match[0]);
    if (!URL.canParse(address)) continue;
    if (match.index > at) pieces.push({ text: text.slice(at, match.index), href: "" });
    pieces.push({ text: address, href: address });
    at = match.index + address.length;
  }
  if (at < text.length) pieces.push({ text: text.slice(at), href: "" });
  return pieces;
}

/** What ends a sentence or closes a bracket around it is not the address's. @param {string} address */
function withoutClosing(address) {
  let rest = address;
  for (;;) {
    const shorter = rest.replace(CLOSING, "");
    const isInBrackets = shorter.endsWith(")") && !shorter.includes("(");
    rest = isInBrackets ? shorter.slice(0, -1) : shorter;
    if (!isInBrackets) return rest;
  }
}

/** As the server takes it: without NUL and halves of characters. @param {string} text */
export const sendable = (text) => text.replaceAll("\0", "").replace(/\p{Surrogate}/gu, "\ufffd");
