/** Leaving a page, once. */
import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

const went = [];
const heard = {};
globalThis.location = /** @type {any} */ ({ assign: (url) => went.push(url) });
globalThis.addEventListener = /** @type {any} */ ((name, handler) => { heard[name] = handler; });
const { leaveFor } = await import("../../../frontend/static/js/leaving.js");

beforeEach(() => {
  went.length = 0;
  heard.pageshow();
});

test("a second navigation does not abort the first", () => {
  leaveFor("/login?ended=logout&next=/numbers");
  leaveFor("/login?ended=logout");
  assert.deepEqual(went, ["/login?ended=logout&next=/numbers"]);
});

test("a page that Back brings up as it was left can be left again", () => {
  leaveFor("/login");
  heard.pageshow();
  leaveFor("/login");
  assert.equal(went.length, 2);
});
