/** The outbox: in order, with the same id however often it is tried, through lost answers, refusals and reloads. */
import assert from "node:assert/strict";
import test from "node:test";

import { createOutbox } from "../../../frontend/static/js/chat/outbox.js";
import { fakeClock, settled } from "./fake-clock.mjs";
import { shelf } from "./shelf.mjs";

const AT = "2026-03-01T09:30:00.000Z";
const KEY = "outbox";
const PAUSE_MS = 6000; // more than the longest pause between two tries

/** A server that the test answers for: each send waits until it is taken. */
function setUp({ storage = shelf(), rejoin = async () => {} } = {}) {
  const clock = fakeClock();
  /** @type {{ entry: any, ok: () => Promise<void>, fail: (code: string) => Promise<void> }[]} */
  const calls = [];
  const sent = [];
  const outbox = createOutbox({
    storage, key: KEY, clock, random: () => 0.5, rejoin,
    onSent: (message) => sent.push(message.id),
    send: (entry) => new Promise((resolve, reject) => {
      calls.push({
        entry,
        ok: () => (resolve({ id: entry.id }), settled()),
        fail: (code) => (reject({ code, message: code }), settled()),
      });
    }),
  });
  const put = (...ids) => ids.forEach((id) => outbox.put({ id, room: "sala-1", text: id, files: [], at: AT }));
  const states = () => outbox.entries.get().entries.map(({ id, state }) => `${id} ${state}`);
  const tried = () => calls.map(({ entry }) => entry.id);
  return { clock, calls, sent, outbox, put, states, tried, storage };
}

test("messages wait for their room and go one after another", async () => {
  const { calls, outbox, put, states, tried, sent } = setUp();
  put("a", "b", "c");
  assert.deepEqual(states(), ["a queued", "b queued", "c queued"]);
  outbox.opened("sala-2");
  assert.deepEqual(tried(), []);
  outbox.opened("sala-1");
  assert.deepEqual(states(), ["a sending", "b queued", "c queued"]);
  await calls[0].ok();
  await calls[1].ok();
  await calls[2].ok();
  assert.deepEqual([tried(), sent, states()], [["a", "b", "c"], ["a", "b", "c"], []]);
});

test("an answer that is lost is asked for again with the same id, and nothing overtakes it", async () => {
  const { clock, calls, outbox, put, tried, sent } = setUp();
  outbox.opened("sala-1");
  put("a", "b");
  await calls[0].fail("timeout");
  assert.deepEqual(tried(), ["a"]);
  await clock.pass(PAUSE_MS);
  await calls[1].ok();
  await calls[2].ok();
  assert.deepEqual([tried(), sent], [["a", "a", "b"], ["a", "b"]]);
});

test("a message that is seen in its room has arrived, whatever becomes of its answer", async () => {
  const { clock, calls, outbox, put, states, tried, sent } = setUp();
  outbox.opened("sala-1");
  put("a", "b");
  outbox.arrived("a");
  assert.deepEqual(states(), ["b sending"]);
  await calls[0].fail("timeout");
  await clock.pass(PAUSE_MS);
  await calls[1].ok();
  assert.deepEqual([tried(), sent, states()], [["a", "b"], ["b"], []]);
});

test("a lost connection puts back what was under way, and it goes again once the room is entered", async () => {
  const { calls, outbox, put, states, tried } = setUp();
  outbox.opened("sala-1");
  put("a", "b");
  outbox.opened(null);
  await calls[0].fail("timeout");
  assert.deepEqual(states(), ["a queued", "b queued"]);
  outbox.opened("sala-1");
  assert.deepEqual(tried(), ["a", "a"]);
});

test("what the server refuses waits for the person, and the rest goes on", async () => {
  const { calls, outbox, put, states, tried } = setUp();
  outbox.opened("sala-1");
  put("a", "b");
  await calls[0].fail("bad_request");
  assert.deepEqual([states(), tried()], [["a failed", "b sending"], ["a", "b"]]);
  await calls[1].ok();
  outbox.retry("a");
  await calls[2].ok();
  assert.deepEqual([states(), tried()], [[], ["a", "b", "a"]]);
});

test("a server that stays away is given up after a while", async () => {
  const { clock, calls, outbox, put, states } = setUp();
  outbox.opened("sala-1");
  put("a");
  for (let tries = 0; tries < 8; tries += 1) {
    assert.deepEqual(states(), ["a sending"]);
    await calls[tries].fail("unavailable");
    await clock.pass(PAUSE_MS);
  }
  assert.deepEqual([states(), calls.length], [["a failed"], 8]);
});

test("who is not in the room enters it again, once", async () => {
  let rejoined = 0;
  const { clock, calls, outbox, put, states } = setUp({ rejoin: async () => void (rejoined += 1) });
  outbox.opened("sala-1");
  put("a");
  await calls[0].fail("forbidden");
  await clock.pass(PAUSE_MS);
  await calls[1].fail("forbidden");
  assert.deepEqual([rejoined, states()], [1, ["a failed"]]);
});

test("where the person has moved meanwhile, the message waits until they are back", async () => {
  const { clock, calls, outbox, put, states, tried } = setUp({ rejoin: async () => outbox_.opened("sala-2") });
  const outbox_ = outbox;
  outbox.opened("sala-1");
  put("a");
  await calls[0].fail("forbidden");
  await clock.pass(PAUSE_MS);
  assert.deepEqual([states(), tried()], [["a queued"], ["a"]]);
  outbox.opened("sala-1");
  assert.deepEqual(tried(), ["a", "a"]);
});

test("a reload loses nothing: what was under way is sent again with its id", () => {
  const { outbox, put, storage } = setUp();
  outbox.opened("sala-1");
  put("a", "b");
  const next = setUp({ storage });
  assert.deepEqual(next.states(), ["a queued", "b queued"]);
  next.outbox.opened("sala-1");
  assert.deepEqual(next.tried(), ["a"]);
});

test("a message that waits can be given up, one under way cannot", () => {
  const { outbox, put, states } = setUp();
  outbox.opened("sala-1");
  put("a", "b");
  assert.equal(outbox.discard("a"), undefined);
  assert.equal(outbox.discard("b")?.text, "b");
  assert.deepEqual(states(), ["a sending"]);
});

test("a storage with something else in it begins empty", () => {
  const storage = shelf();
  storage.setItem(KEY, "{broken");
  assert.deepEqual(setUp({ storage }).states(), []);
});
