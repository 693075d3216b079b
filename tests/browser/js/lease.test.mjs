/** One of several tabs holds the lease where the browser has no locks. */
import assert from "node:assert/strict";
import { test } from "node:test";

import { contend } from "../../../frontend/static/js/lease.js";
import { fakeClock } from "./fake-clock.mjs";

function browser() {
  const clock = fakeClock(1_000_000);
  const shelf = new Map();
  const storage = {
    getItem: (key) => shelf.get(key) ?? null,
    setItem: (key, value) => shelf.set(key, value),
    removeItem: (key) => shelf.delete(key),
  };
  const holders = new Set();
  const open = (id, random = () => 0.5) =>
    contend({
      storage, key: "drive", id, random, clock, onGain: () => holders.add(id), onLoss: () => holders.delete(id),
    });
  return { clock, holders, open, shelf };
}

test("a lone tab gets the lease within a moment and keeps it", async () => {
  const { clock, holders, open } = browser();
  open("a");
  await clock.pass(200);
  assert.deepEqual([...holders], ["a"]);
  await clock.pass(60_000);
  assert.deepEqual([...holders], ["a"]);
});

test("of two tabs that ask in the same moment one gets it", async () => {
  const { clock, holders, open } = browser();
  open("a", () => 0.2);
  open("b", () => 0.8);
  await clock.pass(30_000);
  assert.equal(holders.size, 1);
});

test("a tab that gives it back is followed at once by the one that waits", async () => {
  const { clock, holders, open } = browser();
  const first = open("a");
  await clock.pass(1000);
  const second = open("b");
  await clock.pass(1000);
  assert.deepEqual([...holders], ["a"]);
  first.release();
  second.freed();
  await clock.pass(200);
  assert.ok(holders.has("b"));
});

test("a tab that died is followed within the length of the lease", async () => {
  const { clock, holders, open, shelf } = browser();
  shelf.set("drive", `dead ${clock.now() + 3000}`);
  open("b");
  await clock.pass(2500);
  assert.equal(holders.size, 0);
  await clock.pass(1000);
  assert.ok(holders.has("b"));
});

test("a holder that slept past its time stops when another one took over", async () => {
  const { clock, holders, open, shelf } = browser();
  open("a");
  await clock.pass(500);
  shelf.set("drive", `b ${clock.now() + 3000}`);
  await clock.pass(1100);
  assert.equal(holders.has("a"), false);
});
