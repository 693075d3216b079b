/** The log as a value: order, holes, history, the unread line, days and groups. */
import assert from "node:assert/strict";
import test from "node:test";

import {
  added, EMPTY, entered, firstSeq, hasHole, newOnes, noticed, trimmed,
} from "../../../frontend/static/js/chat/log-book.js";
import { rowsOf } from "../../../frontend/static/js/chat/log-rows.js";

const ANA = { id: "u_ana", name: "Ana" };
const RUI = { id: "u_rui", name: "Rui" };
const OF = { me: ANA.id, dayOf: (at) => at.slice(0, 10) };

const message = (seq, author = RUI, at = "2026-03-01T09:30:00.000Z") => ({
  seq, id: `m${seq}`, room: "sala-1", author, text: `text ${seq}`, files: [], at,
});
const run = (from, to) => Array.from({ length: to - from + 1 }, (_, index) => message(from + index));
const seqs = (book) => book.messages.map(({ seq }) => seq);
const shape = (rows) => rows.map((row) => (row.is === "message" ? row.message.seq : row.is));

test("messages stand in the order of their numbers, each once", () => {
  const book = added(entered(undefined, { messages: run(5, 6), seq: 6 }), [message(8), message(7), message(7), message(6)]);
  assert.deepEqual([seqs(book), book.upTo, hasHole(book)], [[5, 6, 7, 8], 8, false]);
});

test("a missing message is noticed, and a rejoin goes on from before it", () => {
  const torn = added(entered(undefined, { messages: run(1, 2), seq: 2 }), [message(4)]);
  assert.deepEqual([torn.upTo, hasHole(torn)], [2, true]);
  const whole = entered(torn, { messages: run(3, 4), seq: 4 });
  assert.deepEqual([seqs(whole), whole.upTo, hasHole(whole)], [[1, 2, 3, 4], 4, false]);
});

test("an answer that is older than what was heard takes nothing back", () => {
  const book = entered(added(entered(undefined, { messages: run(1, 2), seq: 2 }), [message(3)]), { messages: [], seq: 2 });
  assert.deepEqual([seqs(book), book.upTo], [[1, 2, 3], 3]);
});

test("where too much was missed the book begins anew and history leads back", () => {
  const book = entered(entered(undefined, { messages: run(1, 2), seq: 2 }), { messages: run(601, 602), seq: 602, gap: true });
  assert.deepEqual([seqs(book), firstSeq(book)], [[601, 602], 601]);
  const back = added(book, run(599, 600));
  assert.deepEqual([firstSeq(back), back.upTo, hasHole(back)], [599, 602, false]);
});

test("an empty room begins at its beginning", () => {
  assert.equal(firstSeq(entered(undefined, { messages: [], seq: 0 })), 1);
  assert.equal(firstSeq(entered(undefined, { messages: [], seq: 7 })), 8);
});

test("what does not change anything is the same book", () => {
  const book = entered(undefined, { messages: run(1, 3), seq: 3 });
  assert.equal(added(book, run(1, 3)), book);
  assert.equal(trimmed(book, 3), book);
  assert.deepEqual(seqs(trimmed(book, 2)), [2, 3]);
});

test("new are the messages of others after what was read", () => {
  const book = entered(undefined, { messages: [message(1), message(2, ANA), message(3)], seq: 3 });
  assert.deepEqual([newOnes(book, 0, ANA.id), newOnes(book, 1, ANA.id), newOnes(book, 3, ANA.id)], [2, 1, 0]);
});

test("the unread line stands above the first message of somebody else", () => {
  const book = { ...EMPTY, messages: [message(1), message(2, ANA), message(3), message(4)], upTo: 4, since: 1 };
  assert.deepEqual(shape(rowsOf(book, [], OF)), ["day", 1, 2, "unread", 3, 4]);
  assert.deepEqual(shape(rowsOf({ ...book, since: null }, [], OF)), ["day", 1, 2, 3, 4]);
  assert.deepEqual(shape(rowsOf({ ...book, since: 4 }, [], OF)), ["day", 1, 2, 3, 4]);
});

test("no unread line is drawn while messages before it are not there", () => {
  const book = { ...EMPTY, messages: run(10, 11), upTo: 11, since: 4 };
  assert.deepEqual(shape(rowsOf(book, [], OF)), ["day", 10, 11]);
});

test("each day has its line, and what is on its way comes last", () => {
  const book = { ...EMPTY, messages: [message(1), message(2, RUI, "2026-03-02T09:30:00.000Z")], upTo: 2 };
  const entry = { id: "x", room: "sala-1", text: "", files: [], at: "2026-03-02T09:31:00.000Z", state: "queued" };
  assert.deepEqual(shape(rowsOf(book, [entry], OF)), ["day", 1, "day", 2, "entry"]);
});

test("messages of one author within minutes are a group", () => {
  const at = (minute) => `2026-03-01T09:${minute}:00.000Z`;
  const book = {
    ...EMPTY,
    messages: [message(1, RUI, at(10)), message(2, RUI, at(12)), message(3, ANA, at(13)), message(4, RUI, at(14)), message(5, RUI, at(20))],
    upTo: 5,
  };
  const firsts = rowsOf(book, [], OF).filter(({ is }) => is === "message").map(({ isFirst }) => isFirst);
  assert.deepEqual(firsts, [true, false, true, true, true]);
});

test("who came and went is told where it happened, together where nothing was said between", () => {
  let book = entered(undefined, { messages: run(1, 1), seq: 1 });
  book = noticed(book, { is: "joined", user: ANA, at: "2026-03-01T09:31:00.000Z" });
  book = noticed(book, { is: "joined", user: RUI, at: "2026-03-01T09:32:00.000Z" });
  book = added(book, [message(2)]);
  book = noticed(book, { is: "left", user: RUI, at: "2026-03-02T08:00:00.000Z" });
  const rows = rowsOf(book, [], OF);
  assert.deepEqual(shape(rows), ["day", 1, "notice", 2, "day", "notice"]);
  assert.deepEqual(rows[2].names, ["Ana", "Rui"]);
});

test("somebody who comes and goes in a silent room is told of once", () => {
  let book = entered(undefined, { messages: [], seq: 0 });
  for (const is of ["joined", "left", "joined"]) book = noticed(book, { is, user: RUI, at: "1" });
  assert.deepEqual(book.notices.map(({ is }) => is), ["joined"]);
});
