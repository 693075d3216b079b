/** Small rules of the chat page: addresses in texts, who is here, how often typing is told, what was read. */
import assert from "node:assert/strict";
import test from "node:test";

import { createReading } from "../../../frontend/static/js/chat/reading.js";
import { arrived, gone, NOBODY, typing } from "../../../frontend/static/js/chat/roster.js";
import { createTypingNotice, REPEAT_MS } from "../../../frontend/static/js/chat/typing-notice.js";
import { piecesOf, sendable } from "../../../frontend/static/js/chat/words.js";
import { shelf } from "./shelf.mjs";

const ANA = { id: "u_ana", name: "Ana" };
const RUI = { id: "u_rui", name: "Rui" };

const links = (text) => piecesOf(text).filter(({ href }) => href).map(({ href }) => href);

test("addresses are found without what ends the sentence", () => {
  assert.deepEqual(links("see https://example.com/a?b=1, and (http://example.com)."), ["https://example.com/a?b=1", "http://example.com"]);
  assert.deepEqual(links("https://example.com/wiki/A_(b)"), ["https://example.com/wiki/A_(b)"]);
});

test("nothing else becomes a link, and no character is lost", () => {
  assert.deepEqual(links("javascript:alert(1) data:text/html,x //example.com xhttps://e https://"), []);
  for (const text of ["", "plain", "a https://example.com b", "<b>https://example.com</b>", "https://[ x"]) {
    assert.equal(piecesOf(text).map((piece) => piece.text).join(""), text);
  }
});

test("a text keeps its characters but for those that no text may have", () => {
  assert.equal(sendable("a\0b\ud800c \u{1f469}\u200d\u{1f680} é"), "ab\ufffdc \u{1f469}\u200d\u{1f680} é");
});

test("who types is named once, in order, and no more once gone", () => {
  let roster = [ANA, RUI, ANA].reduce(arrived, NOBODY);
  assert.deepEqual(roster.members, [RUI, ANA]);
  for (const who of [RUI, ANA, RUI]) roster = typing(roster, who, true);
  assert.deepEqual(roster.typists, [RUI, ANA]);
  assert.deepEqual(gone(roster, RUI), { members: [ANA], typists: [ANA] });
  assert.deepEqual(typing(roster, RUI, false).typists, [ANA]);
});

test("typing is told at once, then every 3 s at most, and its end once", () => {
  const told = [];
  let now = 0;
  const notice = createTypingNotice({ now: () => now, tell: (is) => told.push(is) });
  for (const text of ["h", "he", "hel"]) notice.typed(text);
  assert.deepEqual(told, [true]);
  now += REPEAT_MS;
  notice.typed("hello");
  assert.deepEqual(told, [true, true]);
  notice.typed("");
  notice.typed("");
  assert.deepEqual(told, [true, true, false]);
  notice.typed("again");
  notice.forgotten();
  notice.typed("next");
  assert.deepEqual(told, [true, true, false, true, true]);
});

test("what was said before a room was first seen is not unread, and a room that began anew is read", () => {
  const storage = shelf();
  const reading = createReading({ storage, key: "k" });
  reading.seen([{ id: "sala-1", seq: 7 }]);
  reading.readTo("sala-1", 5);
  assert.equal(reading.of("sala-1"), 7);
  reading.seen([{ id: "sala-1", seq: 9 }]);
  assert.equal(reading.of("sala-1"), 7);
  reading.seen([{ id: "sala-1", seq: 2 }]);
  assert.equal(createReading({ storage, key: "k" }).of("sala-1"), 2);
});
