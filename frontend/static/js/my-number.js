/** The visitor's own number: driven by this tab, or followed while another tab of theirs drives. */
import { takeTurn } from "./drive.js";
import { createNumberLoop, FIRST_STEP } from "./number-loop.js";
import { connection, on, request } from "./socket.js";
import { createStore } from "./store.js";
import { ticker } from "./ticker.js";

/**
 * @typedef {"waiting" | "driver" | "mirror"} Role
 * @typedef {{
 *   role: Role, value: number | null, step: number, kind: import("./number-loop.js").Kind | null,
 *   drawFrom: number, drawAt: number, unsaved: number,
 * }} MyNumber
 */

/** @type {MyNumber} */
const UNKNOWN = { role: "waiting", value: null, step: FIRST_STEP, kind: null, drawFrom: 0, drawAt: 0, unsaved: 0 };

export const myNumber = createStore(UNKNOWN);

const loop = createNumberLoop({
  clock: ticker,
  random: Math.random,
  set: (value) => request("numbers:set", { value }),
  draw: async (kind) => (await request(`numbers:${kind}`)).number,
  onChange: (state) => myNumber.set(state),
});

let giveTurnBack = () => {};
let isGreeted = false;

/**
 * Begin to run (or follow) the number. It keeps still whenever the connection is lost: a value that cannot be stored
 * would be taken back later. The turn to drive is given up, too, for a tab that may be better connected.
 */
export function runMyNumber() {
  on("numbers:value", heard);
  let was = connection.get().state;
  connection.follow(({ state }) => {
    if (was === "live" && state !== "live") halt();
    was = state;
  });
}

function halt() {
  isGreeted = false;
  giveTurnBack();
  loop.stop();
  myNumber.set({ role: "waiting", drawFrom: 0, drawAt: 0 });
}

/** @param {import("./number-loop.js").ValueAndStep} now */
function heard(now) {
  if (myNumber.get().role === "driver") {
    loop.hear(now);
    return;
  }
  myNumber.set({ value: now.value, step: now.step });
  if (!isGreeted) greeted();
}

/** The first value on a connection is the server's word on where the number stands: from there it goes on. */
function greeted() {
  isGreeted = true;
  myNumber.set({ role: "mirror", kind: null, unsaved: 0 });
  giveTurnBack = takeTurn(connection.get().user?.id ?? "", {
    onGain() {
      const { value, step } = myNumber.get();
      myNumber.set({ role: "driver" });
      loop.start({ value: value ?? 0, step });
    },
    onLoss() {
      loop.stop();
      myNumber.set({ role: "mirror", drawFrom: 0, drawAt: 0 });
    },
  });
}
