/** Timers for pages: browsers slow a hidden page's own timers down to one a minute, but not those of a worker. */

/** @type {Map<number, number>} */
const timers = new Map();

/** `{id, ms}` starts a timer, `{id, ms: null}` cancels it; its end is told by posting the id. */
self.addEventListener("message", ({ data: { id, ms } }) => {
  clearTimeout(timers.get(id));
  timers.delete(id);
  if (ms === null) return;
  timers.set(
    id,
    setTimeout(() => {
      timers.delete(id);
      self.postMessage(id);
    }, ms),
  );
});

export {};
