/** Filters: from the address and back, and as the server is asked. */
import assert from "node:assert/strict";
import { test } from "node:test";

import { filtersOf, isFiltered, NO_FILTERS, queryOf, requestOf } from "../../../frontend/static/js/log-filters.js";

test("filters survive the way into the address and back", () => {
  const filters = { ...NO_FILTERS, user: "Ana & Rui", direction: "in", text: "100%", since: "2026-01-31T12:00" };
  assert.deepEqual(filtersOf(queryOf(filters)), filters);
});

test("without filters the address has no query", () => {
  assert.equal(queryOf(NO_FILTERS), "");
  assert.equal(isFiltered(NO_FILTERS), false);
});

test("what is no direction and no time is left out", () => {
  assert.deepEqual(filtersOf("?direction=up&since=yesterday&until=&other=1"), NO_FILTERS);
});

test("the server is asked for moments in UTC, and not for what the page itself asks", () => {
  const since = "2026-01-31T12:00";
  assert.deepEqual(requestOf({ ...NO_FILTERS, since, text: " hello " }), {
    event: "!journal:messages", since: new Date(since).toISOString(), text: "hello",
  });
  assert.equal(requestOf({ ...NO_FILTERS, event: "journal:messages" }).event, "journal:messages");
});
