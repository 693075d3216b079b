/** A clock that stands still until a test moves it. */

export function fakeClock(start = 0) {
  let now = start;
  /** @type {Set<{ at: number, run: () => void }>} */
  const timers = new Set();

  /** Let time pass; whatever falls due runs at its own moment, and answers are taken in between. */
  async function pass(ms) {
    const end = now + ms;
    for (;;) {
      await settled();
      const due = [...timers].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
      if (!due) break;
      timers.delete(due);
      now = Math.max(now, due.at);
      due.run();
    }
    now = end;
    await settled();
  }

  return {
    now: () => now,
    after(ms, run) {
      const timer = { at: now + Math.max(0, ms), run };
      timers.add(timer);
      return () => timers.delete(timer);
    },
    pass,
    /** The machine sleeps: time goes by and nothing runs, until it wakes and all that is overdue is late. */
    sleep(ms) {
      now += ms;
    },
    waiting: () => timers.size,
  };
}

/** All promises that can settle have settled. */
export function settled() {
  return new Promise((resolve) => setImmediate(resolve));
}
