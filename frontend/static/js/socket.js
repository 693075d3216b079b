/**
 * The page's one connection, and the only module that opens it.
 *
 * Who wants something asks (`request`) or listens (`on`); `connection` tells how things stand. A lost connection
 * comes back by itself, unless the server said that it is over (`session:ended`).
 */
import { io } from "socket.io-client";

import { ApiError, post } from "./api.js";
import { waitBeforeTry } from "./backoff.js";
import { leaveFor } from "./leaving.js";
import { t, user } from "./page.js";
import { createStore } from "./store.js";
import { ticker } from "./ticker.js";

const ACK_MS = 6000; // a little longer than the server's own deadline, so that its answer comes first
const OPEN_MS = 8000;

/** Another tab has turned this guest into an account; by then its answer has brought the account's cookie. */
const NEW_COOKIE_MS = 3000;

/** Ends that concern this connection alone: the session lives on, and the person may connect again. */
const ENDED_HERE_ONLY = new Set(["slow", "replaced", "rate_limited"]);

/**
 * @typedef {"connecting" | "live" | "reconnecting" | "offline" | "stopped"} State
 * @typedef {{ state: State, user: import("./page.js").User | null, gateway: string }} Connection
 */

/** @type {Connection} */
const NOT_YET = { state: "connecting", user, gateway: "" };

export const connection = createStore(NOT_YET);

// The tries are ours to time: socket.io's own timers stand still in a hidden tab, and cannot be hurried.
const socket = io({
  path: "/socket.io/",
  transports: ["websocket", "polling"],
  tryAllTransports: true,
  autoConnect: false,
  reconnection: false,
  timeout: OPEN_MS,
});

let failures = 0;
let heardAt = 0;
let mayBecomeGuest = true;
let cancelRetry = () => {};

/** Connect, and stay connected. */
export function openSocket() {
  socket.connect();
  addEventListener("online", retryNow);
  addEventListener("offline", () => socket.connected || connection.set({ state: "offline" }));
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden && connection.get().state === "reconnecting") retryNow();
  });
}

/** Try at once instead of waiting for the next try; also after the server ended this connection. */
export function retryNow() {
  if (socket.connected) return;
  cancelRetry();
  connection.set({ state: "reconnecting" });
  socket.disconnect().connect(); // gives up a try that is under way
}

/**
 * Ask the server; without a payload the event goes alone.
 * @param {string} event
 * @param {object} [payload]
 * @returns {Promise<any>} the result; rejects with an `ApiError`, at once where there is no connection
 */
export async function request(event, payload) {
  if (!socket.connected) throw new ApiError("offline", t("error.offline"));
  const sender = socket.timeout(ACK_MS);
  let answer;
  try {
    answer = await (payload ? sender.emitWithAck(event, payload) : sender.emitWithAck(event));
  } catch {
    hangUpIfDead();
    throw new ApiError("timeout", t("error.timeout"));
  }
  if (answer?.error) throw new ApiError(answer.error.code, answer.error.message);
  return answer;
}

/** Resolves once there is a connection; rejects where none comes soon. @returns {Promise<void>} */
export function whenLive() {
  return new Promise((resolve, reject) => {
    if (connection.get().state === "live") return resolve();
    const giveUp = () => {
      stop();
      reject(new ApiError("offline", t("error.offline")));
    };
    const cancel = ticker.after(OPEN_MS, giveUp);
    const stop = connection.follow(({ state }) => {
      if (state === "connecting" || state === "reconnecting") return;
      cancel();
      if (state !== "live") return giveUp();
      stop();
      resolve();
    });
  });
}

/**
 * Listen to an event of the server. After `session:resync` something may have been missed: fetch what is shown.
 * @param {string} event
 * @param {(payload: any) => void} heard
 * @returns {() => void} stops listening
 */
export function on(event, heard) {
  socket.on(event, heard);
  return () => socket.off(event, heard);
}

socket.io.on("open", () => {
  socket.io.engine.on("packet", () => {
    heardAt = ticker.now();
  });
});

/** A peer that vanished closes nothing. Its heartbeat is missed after 45 s; an unanswered request tells sooner. */
function hangUpIfDead() {
  if (socket.connected && ticker.now() - heardAt > ACK_MS) socket.io.engine.close();
}

socket.on("session:ready", ({ user, gateway }) => {
  failures = 0;
  mayBecomeGuest = true;
  connection.set({ state: "live", user, gateway });
});

socket.on("session:ended", ({ reason }) => {
  connection.set({ state: "stopped" });
  socket.disconnect();
  if (reason === "registered") setTimeout(() => location.reload(), NEW_COOKIE_MS);
  else if (!ENDED_HERE_ONLY.has(reason)) goToLogin(reason);
});

socket.on("disconnect", () => {
  if (connection.get().state !== "stopped") retryLater();
});

socket.on("connect_error", (error) => {
  if (error.message === "unauthorized") refused();
  else retryLater();
});

function retryLater() {
  connection.set({ state: navigator.onLine ? "reconnecting" : "offline" });
  cancelRetry();
  cancelRetry = ticker.after(waitBeforeTry(failures, Math.random), () => socket.connect());
  failures += 1;
}

/** The cookie is worth nothing (any more). A guest becomes another guest, once; a member has to log in. */
async function refused() {
  if (user?.kind !== "guest" || !mayBecomeGuest) return goToLogin("expired");
  mayBecomeGuest = false;
  try {
    await post("/api/auth/guest");
    socket.connect();
  } catch (error) {
    if (error instanceof ApiError && error.code === "offline") retryLater();
    else goToLogin("expired");
  }
}

/** @param {string} reason */
function goToLogin(reason) {
  connection.set({ state: "stopped" });
  const query = new URLSearchParams({ ended: reason, next: location.pathname });
  leaveFor(`/login?${query}`);
}
