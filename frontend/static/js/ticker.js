/** A clock that goes on in hidden tabs: the page's own time, and timers that live in a worker. */

/** @typedef {{ run: () => void, dueAt: number }} Timer */

/** @returns {import("./number-loop.js").Clock} */
export function createTicker() {
  /** @type {Map<number, Timer>} */
  const timers = new Map();
  let lastId = 0;
  let worker = startWorker();

  /** @param {number} id */
  function ring(id) {
    const timer = timers.get(id);
    timers.delete(id);
    timer?.run();
  }

  function startWorker() {
    try {
      const started = new Worker(import.meta.resolve("./ticker.worker.js"), { type: "module" });
      started.addEventListener("message", ({ data }) => ring(data));
      started.addEventListener("error", goOnWithoutWorker);
      return started;
    } catch {
      return null;
    }
  }

  /** A browser without module workers: the page's own timers do, only less evenly while it is hidden. */
  function goOnWithoutWorker() {
    worker = null;
    for (const [id, { dueAt }] of timers) setTimeout(ring, dueAt - performance.now(), id);
  }

  return {
    now: () => performance.now(),
    after(ms, run) {
      const id = ++lastId;
      timers.set(id, { run, dueAt: performance.now() + ms });
      if (worker) worker.postMessage({ id, ms: Math.max(0, ms) });
      else setTimeout(ring, ms, id);
      return () => {
        if (timers.delete(id)) worker?.postMessage({ id, ms: null });
      };
    },
  };
}

/** The page's one clock. */
export const ticker = createTicker();
