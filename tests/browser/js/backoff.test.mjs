/** The waits before connecting again. */
import assert from "node:assert/strict";
import { test } from "node:test";

import { waitBeforeTry } from "../../../frontend/static/js/backoff.js";

test("the first try comes within half a second", () => {
  assert.ok(waitBeforeTry(0, () => 0) >= 100);
  assert.ok(waitBeforeTry(0, () => 1) <= 500);
});

test("waits grow, and never beyond five seconds", () => {
  assert.ok(waitBeforeTry(3, () => 0) > waitBeforeTry(0, () => 1));
  assert.ok(waitBeforeTry(1000, () => 1) <= 5000);
});

test("half of the wait is chance, so that a crowd comes back spread out", () => {
  assert.equal(waitBeforeTry(2, () => 1), 2 * waitBeforeTry(2, () => 0));
});
