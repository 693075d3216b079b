/** The figures of the sales page: what a summary becomes when further sales are told. */
import assert from "node:assert/strict";
import { test } from "node:test";

import { counted, LATEST, toldSince } from "../../../frontend/static/js/sales-figures.js";

const MINUTE_MS = 60_000;
const START = Date.parse("2026-01-31T12:00:00.000Z");

/** @param {string} id */
const sale = (id, minute = 0, cents = 100, product = "Café") => ({
  id,
  sold_at: new Date(START + minute * MINUTE_MS + 1).toISOString(),
  store: "Recife",
  seller: "Ana",
  product,
  category: "Mercearia",
  quantity: 2,
  unit_price_cents: cents / 2,
  total_cents: cents,
  payment: "pix",
});

const none = { sales: 0, quantity: 0, total_cents: 0 };

/** @param {ReturnType<typeof sale>[]} latest */
const summary = (latest = [], minutes = 3) => ({
  now: new Date(START + 2.5 * MINUTE_MS).toISOString(),
  minutes,
  totals: none,
  series: Array.from({ length: minutes }, (_, n) => ({ at: new Date(START + n * MINUTE_MS).toISOString(), ...none })),
  products: [],
  latest,
});

test("a sale counts in its minute, its product and the totals, which agree", () => {
  const after = counted(summary(), [sale("a", 0, 500), sale("b", 2, 300, "Pão"), sale("c", 2, 400, "Pão")]);
  assert.deepEqual(after.totals, { sales: 3, quantity: 6, total_cents: 1200 });
  assert.deepEqual(after.series.map(({ total_cents }) => total_cents), [500, 0, 700]);
  assert.deepEqual(after.products.map(({ product, total_cents }) => [product, total_cents]), [["Pão", 700], ["Café", 500]]);
  assert.deepEqual(after.latest.map(({ id }) => id), ["a", "b", "c"]);
});

test("a summary is never changed in place", () => {
  const before = summary();
  const copy = structuredClone(before);
  counted(before, [sale("a")]);
  assert.deepEqual(before, copy);
});

test("a sale that is known counts once", () => {
  const before = summary([sale("a")]);
  assert.equal(counted(before, [sale("a")]), before);
  assert.equal(counted(before, [sale("b"), sale("b"), sale("a")]).totals.sales, 1);
});

test("a sale of another period is among the latest, and in no figure", () => {
  const after = counted(summary(), [sale("early", -1), sale("late", 3)]);
  assert.deepEqual(after.totals, none);
  assert.deepEqual(after.latest.map(({ id }) => id), ["early", "late"]);
});

test("the latest are bounded", () => {
  const after = counted(summary(), Array.from({ length: 250 }, (_, n) => sale(`s${n}`)));
  assert.equal(after.latest.length, LATEST);
  assert.equal(after.latest.at(-1)?.id, "s249");
  assert.equal(after.totals.sales, 250);
});

test("the row of all others stays last", () => {
  const before = { ...summary(), products: [{ product: "", category: "", sales: 9, quantity: 9, total_cents: 99_999 }] };
  assert.deepEqual(counted(before, [sale("a")]).products.map(({ product }) => product), ["Café", ""]);
});

test("of what was told on the way only that counts which the summary does not hold", () => {
  const told = ["a", "b", "c", "d"].map((id) => sale(id));
  const ids = (/** @type {string[]} */ known) => toldSince(summary(known.map((id) => sale(id))), told).map(({ id }) => id);
  assert.deepEqual(ids([]), ["a", "b", "c", "d"]);
  assert.deepEqual(ids(["x", "a", "b"]), ["c", "d"]);
  assert.deepEqual(ids(["b"]), ["c", "d"], "what was told before a known one is older than the latest");
  assert.deepEqual(ids(["c", "d", "e"]), []);
});
