/**
 * The rules of a running number. Clock, chance and network are handed in, so that tests can own them.
 *
 * Every 500 ms the value moves on by the step, modulo 100, is shown at once and then sent. At a moment drawn anew
 * each time, 3 to 5 s after the last one, an even or an odd number is asked for; it becomes the step. Neither waits
 * for the other, nor for an answer that is under way.
 */

export const BEAT_MS = 500;
export const DRAW_MIN_MS = 3000;
export const DRAW_MAX_MS = 5000;
export const FIRST_STEP = 1;

/**
 * @typedef {"even" | "odd"} Kind
 * @typedef {{ value: number, step: number }} ValueAndStep
 * @typedef {{ now: () => number, after: (ms: number, run: () => void) => () => void }} Clock times in milliseconds;
 *   `after` returns what cancels it
 * @typedef {ValueAndStep & { kind: Kind | null, drawFrom: number, drawAt: number, unsaved: number }} LoopState
 *   `kind`: of the last number drawn; `drawFrom` to `drawAt`: the wait for the next draw, on the clock handed in;
 *   `unsaved`: how many values in a row the server did not confirm
 * @typedef {{
 *   clock: Clock,
 *   random: () => number,
 *   set: (value: number) => Promise<unknown>,
 *   draw: (kind: Kind) => Promise<number>,
 *   onChange: (state: LoopState) => void,
 * }} Surroundings
 */

/** @param {Surroundings} surroundings */
export function createNumberLoop({ clock, random, set, draw, onChange }) {
  /** @type {LoopState} */
  let state = { value: 0, step: FIRST_STEP, kind: null, drawFrom: 0, drawAt: 0, unsaved: 0 };
  // Answers and timers of an earlier run carry its number: after a reconnect they must not touch the new one.
  let run = 0;
  let isRunning = false;
  let hasMoved = false;
  let nextBeat = 0;
  let drawsAsked = 0;
  let lastDrawTaken = 0;
  let cancelBeat = () => {};
  let cancelDraw = () => {};

  /** @param {Partial<LoopState>} news */
  function change(news) {
    state = { ...state, ...news };
    onChange(state);
  }

  function waitForBeat() {
    cancelBeat = clock.after(nextBeat - clock.now(), beat);
  }

  function beat() {
    // Beats stand on a fixed grid, so lateness never adds up. Those that were slept through are lost, not made up
    // for: a burst would only run into the server's limit.
    const lateBeats = Math.max(0, Math.floor((clock.now() - nextBeat) / BEAT_MS));
    nextBeat += BEAT_MS * (1 + lateBeats);
    waitForBeat();
    hasMoved = true;
    const value = (state.value + state.step) % 100;
    change({ value });
    send(value);
  }

  /** @param {number} value */
  function send(value) {
    const sentIn = run;
    set(value).then(
      () => sentIn === run && state.unsaved > 0 && change({ unsaved: 0 }),
      () => sentIn === run && change({ unsaved: state.unsaved + 1 }),
    );
  }

  function waitForDraw() {
    const wait = DRAW_MIN_MS + random() * (DRAW_MAX_MS - DRAW_MIN_MS);
    const now = clock.now();
    cancelDraw = clock.after(wait, ask);
    change({ drawFrom: now, drawAt: now + wait });
  }

  function ask() {
    const askedIn = run;
    const turn = ++drawsAsked;
    /** @type {Kind} */
    const kind = random() < 0.5 ? "even" : "odd";
    draw(kind).then(
      (number) => {
        // The server keeps the step of the draw it answered last; an answer that was overtaken is old news.
        if (askedIn !== run || turn < lastDrawTaken) return;
        lastDrawTaken = turn;
        change({ step: number, kind });
      },
      () => {}, // the old step holds until the next draw
    );
    waitForDraw();
  }

  return {
    /** Begin, or begin again: there is never more than one run. @param {ValueAndStep} from */
    start(from) {
      this.stop();
      isRunning = true;
      hasMoved = false;
      nextBeat = clock.now() + BEAT_MS;
      state = { ...state, ...from, kind: null, unsaved: 0 };
      waitForBeat();
      waitForDraw();
    },

    /**
     * The server says where the number stands. Believed only until the first own beat: it may be the last word of
     * the tab that drove before. Later on it can only be another device that drives the same account; to follow it
     * would make this number jump to and fro, so each goes on from its own value and the server keeps the last.
     * @param {ValueAndStep} heard
     */
    hear(heard) {
      if (isRunning && !hasMoved) change(heard);
    },

    stop() {
      run += 1;
      isRunning = false;
      cancelBeat();
      cancelDraw();
    },
  };
}
