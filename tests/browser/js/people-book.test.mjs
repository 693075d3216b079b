/** Who is here as the page keeps it: snapshots, news on top of them, and the search. */
import assert from "node:assert/strict";
import test from "node:test";

import { after, bookOf, folded, found } from "../../../frontend/static/js/people-book.js";

const AT = "2026-03-01T09:30:00.000Z";
const order = new Intl.Collator("en", { sensitivity: "base" });

/** @param {string} id @param {number} connections */
const person = (id, name = id, connections = 1) => ({
  id, name, kind: "user", since: AT, connections, gateways: ["gw-1"],
});
const joined = (id) => ({ is: "joined", user: { id, name: id, kind: "user" }, at: AT });
const left = (id) => ({ is: "left", user: { id, name: id, kind: "user" } });
const changed = (total, ...users) => ({ is: "changed", users, total });
const ids = (book) => [...book.rows.keys()];

test("who joins is here once, whatever was in the list already", () => {
  const book = after(bookOf({ users: [person("ana")], total: 1 }), [joined("ana"), joined("rui")]);
  assert.deepEqual([ids(book), book.total], [["ana", "rui"], 2]);
  assert.equal(book.rows.get("ana").gateways[0], "gw-1");
});

test("who leaves is here no more, and nobody leaves twice", () => {
  const book = after(bookOf({ users: [person("ana"), person("rui")], total: 2 }), [left("ana"), left("ana")]);
  assert.deepEqual([ids(book), book.total], [["rui"], 1]);
});

test("a change brings what is known now, and the right total", () => {
  const book = after(bookOf({ users: [person("ana")], total: 900 }), [left("unknown"), changed(899, person("ana", "Ana", 3))]);
  assert.deepEqual([book.rows.get("ana").connections, book.total], [3, 899]);
});

test("news make a new book and leave the old one as it was", () => {
  const before = bookOf({ users: [person("ana")], total: 1 });
  after(before, [left("ana")]);
  assert.deepEqual(ids(before), ["ana"]);
});

test("people are found without case and accents, by name", () => {
  const users = [person("1", "Zoë"), person("2", "ana  lima"), person("3", "Ângela"), person("4", "Bruno")];
  const book = bookOf({ users, total: 4 });
  assert.deepEqual(found(book, "", order).map(({ id }) => id), ["2", "3", "4", "1"]);
  assert.deepEqual(found(book, " ANG ", order).map(({ id }) => id), ["3"]);
  assert.deepEqual(found(book, "ana lima", order).map(({ id }) => id), ["2"]);
  assert.equal(folded("  JOSÉ   da Silva "), "jose da silva");
});
