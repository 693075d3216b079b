/** The rooms as a value: entering, catching up, moving on, and what is unread. */
import assert from "node:assert/strict";
import test from "node:test";

import { inRoom, NOT_YET, turnedTo, unreadIn, withMessage, withMove } from "../../../frontend/static/js/chat/room-state.js";

const ANA = { id: "u_ana", name: "Ana" };
const RUI = { id: "u_rui", name: "Rui" };
const AT = "2026-03-01T09:30:00.000Z";
const SEEN = { me: ANA.id, isSeen: true, read: undefined };
const READER = { me: ANA.id, read: undefined, isKnown: false };

const message = (seq, author = RUI, room = "sala-1") => ({ seq, id: `${room} ${seq}`, room, author, text: "", files: [], at: AT });
const answer = (seq, ...messages) => ({ room: "sala-1", members: [ANA, RUI], messages, seq });
const entered = (seq, ...messages) => inRoom(turnedTo(NOT_YET, "sala-1"), answer(seq, ...messages), READER);
const book = (now) => now.books["sala-1"];

test("a room is shown with its people and nothing unread where it was never seen before", () => {
  const now = entered(2, message(1), message(2));
  assert.deepEqual([now.phase, now.roster.members, book(now).since], ["in", [ANA, RUI], null]);
});

test("what came since the last visit is below the line, the own messages are not counted", () => {
  const now = inRoom(NOT_YET, answer(3, message(1), message(2, ANA), message(3)), { ...READER, read: 1 });
  assert.equal(book(now).since, 1);
  assert.equal(unreadIn(now, { id: "sala-1", name: "", members: 0, seq: 9 }, { "sala-1": 1 }, ANA.id), 1);
  const nothing = inRoom(NOT_YET, answer(2, message(1), message(2, ANA)), { ...READER, read: 1 });
  assert.equal(book(nothing).since, null);
});

test("coming back adds what was missed to what is known", () => {
  const before = entered(1, message(1));
  const now = inRoom(before, answer(3, message(2), message(3)), { ...READER, read: 1, isKnown: true });
  assert.deepEqual(book(now).messages.map(({ seq }) => seq), [1, 2, 3]);
});

test("the line stays where reading stopped, and moves once that was read", () => {
  const away = { me: ANA.id, isSeen: false, read: 1 };
  let now = [message(2), message(3)].reduce((sum, one) => withMessage(sum, one, away), entered(1, message(1)));
  assert.equal(book(now).since, 1);
  now = withMessage(now, message(4), { ...away, read: 3 });
  assert.equal(book(now).since, 3);
  now = withMessage(now, message(5, ANA), { ...away, read: 4 });
  assert.equal(book(now).since, 3);
});

test("who writes has stopped typing, and who leaves is neither here nor typing", () => {
  let now = entered(1, message(1));
  now = { ...now, roster: { ...now.roster, typists: [RUI] } };
  assert.deepEqual(withMessage(now, message(2), SEEN).roster.typists, []);
  now = withMove(now, "left", RUI, AT);
  assert.deepEqual([now.roster, book(now).notices.length], [{ members: [ANA], typists: [] }, 1]);
});

test("who reads along keeps the last few hundred messages", () => {
  let now = entered(0);
  for (let seq = 1; seq <= 501; seq += 1) now = withMessage(now, message(seq), SEEN);
  assert.deepEqual([book(now).messages.length, book(now).upTo], [300, 501]);
});

test("another room is shown at once, without the people and the line of the last one", () => {
  const now = turnedTo({ ...entered(2, message(1), message(2)), isLoading: true }, "sala-2");
  assert.deepEqual([now.room, now.phase, now.roster.members, now.isLoading], ["sala-2", "entering", [], false]);
  assert.equal(book(now).messages.length, 2);
});

test("of a room that is not shown the numbers tell what is unread", () => {
  const other = { id: "sala-2", name: "", members: 0, seq: 9 };
  assert.deepEqual([unreadIn(NOT_YET, other, { "sala-2": 4 }, ANA.id), unreadIn(NOT_YET, other, {}, ANA.id)], [5, 0]);
});
