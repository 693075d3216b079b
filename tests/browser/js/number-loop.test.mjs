/** The rules of the running number, on a clock and with chance of the test's own. */
import assert from "node:assert/strict";
import { test } from "node:test";

import { createNumberLoop } from "../../../frontend/static/js/number-loop.js";
import { fakeClock, settled } from "./fake-clock.mjs";

function running({ random = () => 0.5, set = async () => {}, draw = async () => 7 } = {}) {
  const clock = fakeClock();
  const sent = [];
  const drawn = [];
  let state;
  const loop = createNumberLoop({
    clock,
    random,
    set: (value) => {
      sent.push({ at: clock.now(), value });
      return set(value);
    },
    draw: (kind) => {
      drawn.push({ at: clock.now(), kind });
      return draw(kind, drawn.length);
    },
    onChange: (now) => {
      state = now;
    },
  });
  return { clock, loop, sent, drawn, state: () => state };
}

test("every half second the value moves on by the step and is sent", async () => {
  const { clock, loop, sent } = running({ draw: () => new Promise(() => {}) });
  loop.start({ value: 37, step: 5 });
  await clock.pass(10_000);
  assert.equal(sent.length, 20);
  assert.deepEqual(sent.slice(0, 3), [{ at: 500, value: 42 }, { at: 1000, value: 47 }, { at: 1500, value: 52 }]);
});

test("99 and 1 make 0", async () => {
  const { clock, loop, sent } = running();
  loop.start({ value: 99, step: 1 });
  await clock.pass(500);
  assert.deepEqual(sent.map(({ value }) => value), [0]);
});

test("a step of 0 is legal: the value stays and is still sent", async () => {
  const { clock, loop, sent } = running({ draw: async () => 0 });
  loop.start({ value: 8, step: 0 });
  await clock.pass(2000);
  assert.deepEqual(sent.map(({ value }) => value), [8, 8, 8, 8]);
});

test("the waits between draws are drawn anew each time, from 3 to 5 seconds, and real-valued", async () => {
  // Each draw takes two numbers of chance: one for even or odd, one for the next wait.
  const chance = [0, 0.9, 0.123456, 0.1, 0.999999, 0.9, 0.5];
  const { clock, loop, drawn } = running({ random: () => chance.shift() ?? 0 });
  loop.start({ value: 0, step: 1 });
  await clock.pass(13_000);
  const gaps = drawn.map(({ at }, turn) => at - (drawn[turn - 1]?.at ?? 0));
  assert.equal(gaps.length, 3);
  [3000, 3246.912, 4999.998].forEach((gap, turn) => assert.ok(Math.abs(gaps[turn] - gap) < 1e-6, `${gaps}`));
  assert.deepEqual(drawn.map(({ kind }) => kind), ["odd", "even", "odd"]);
});

test("the drawn number becomes the step and holds until the next one", async () => {
  const { clock, loop, sent, state } = running({ random: () => 0, draw: async () => 42 });
  loop.start({ value: 0, step: 1 });
  await clock.pass(5000);
  assert.deepEqual(sent.map(({ value }) => value), [1, 2, 3, 4, 5, 47, 89, 31, 73, 15]);
  assert.equal(state().kind, "even");
});

test("the value goes on while a draw and earlier values are under way", async () => {
  const never = () => new Promise(() => {});
  const { clock, loop, sent, drawn } = running({ set: never, draw: never });
  loop.start({ value: 0, step: 1 });
  await clock.pass(10_000);
  assert.equal(sent.length, 20);
  assert.equal(drawn.length, 2);
});

test("a failed draw leaves the step as it is", async () => {
  const { clock, loop, state } = running({ draw: () => Promise.reject(new Error("timeout")) });
  loop.start({ value: 0, step: 3 });
  await clock.pass(9000);
  assert.equal(state().step, 3);
});

test("an answer that a later draw has overtaken is ignored", async () => {
  const answers = [];
  const { clock, loop, state } = running({ random: () => 0, draw: () => new Promise((done) => answers.push(done)) });
  loop.start({ value: 0, step: 1 });
  await clock.pass(6000);
  answers[1](20);
  await settled();
  answers[0](10);
  await settled();
  assert.equal(state().step, 20);
});

test("beats keep to their grid however late one is", async () => {
  const { clock, loop, sent } = running();
  loop.start({ value: 0, step: 1 });
  clock.sleep(620);
  await clock.pass(880);
  assert.deepEqual(sent.map(({ at }) => at), [620, 1000, 1500]);
});

test("beats that were slept through are not made up for", async () => {
  const { clock, loop, sent } = running({ draw: () => new Promise(() => {}) });
  loop.start({ value: 0, step: 1 });
  clock.sleep(60_250);
  await clock.pass(800);
  assert.deepEqual(sent.map(({ at, value }) => [at, value]), [[60_250, 1], [60_500, 2], [61_000, 3]]);
});

test("starting again never makes two loops", async () => {
  const { clock, loop, sent, drawn } = running();
  loop.start({ value: 0, step: 1 });
  await clock.pass(700);
  loop.start({ value: 50, step: 1 });
  loop.start({ value: 60, step: 1 });
  assert.equal(clock.waiting(), 2);
  await clock.pass(10_000);
  assert.equal(sent.length, 21);
  assert.equal(sent[1].value, 61);
  assert.equal(drawn.length, 2);
});

test("stopped it keeps still, and an answer that comes then changes nothing", async () => {
  let answer;
  const { clock, loop, sent, state } = running({ random: () => 0, draw: () => new Promise((done) => (answer = done)) });
  loop.start({ value: 0, step: 1 });
  await clock.pass(3100);
  loop.stop();
  const before = state();
  answer(99);
  await clock.pass(20_000);
  assert.equal(sent.length, 6);
  assert.deepEqual(state(), before);
});

test("the answer to an earlier run does not touch the one after a reconnect", async () => {
  let answer;
  const { clock, loop, state } = running({ random: () => 0, draw: () => new Promise((done) => (answer ??= done)) });
  loop.start({ value: 0, step: 1 });
  await clock.pass(3100);
  loop.stop();
  loop.start({ value: 6, step: 4 });
  answer(99);
  await clock.pass(500);
  assert.deepEqual([state().value, state().step], [10, 4]);
});

test("the server is believed until the first own beat, and not after it", async () => {
  const { clock, loop, sent } = running();
  loop.start({ value: 10, step: 1 });
  loop.hear({ value: 11, step: 2 });
  await clock.pass(500);
  loop.hear({ value: 77, step: 9 });
  await clock.pass(500);
  assert.deepEqual(sent.map(({ value }) => value), [13, 15]);
});

test("values that the server does not confirm are counted, until it confirms one", async () => {
  let fails = true;
  const { clock, loop, state } = running({ set: async () => (fails ? Promise.reject(new Error("unavailable")) : {}) });
  loop.start({ value: 0, step: 1 });
  await clock.pass(1500);
  assert.equal(state().unsaved, 3);
  fails = false;
  await clock.pass(500);
  assert.equal(state().unsaved, 0);
});
