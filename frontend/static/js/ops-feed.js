/** How everything stands, as the server tells it every two seconds; and the source of sales, where there is one. */
import { ApiError } from "./api.js";
import { connection, on, request } from "./socket.js";
import { createStore } from "./store.js";
import { ticker } from "./ticker.js";

const AGAIN_MS = 2000;
const LOOK_MS = 1000;
const SOURCE_MS = 10_000;

/**
 * @typedef {{ endpoint: string, per_s: number, failed_per_s: number, p50_ms: number, p99_ms: number }} CallFigures
 * @typedef {{
 *   instance: string, service: string, version: string, host: string, pid: number, started_ms: number,
 *   status: "ready" | "standby" | "unready", checks: { name: string, answer: string }[], cpu: number,
 *   memory_bytes: number, loop_lag_ms: number, shards: number[], shard_count: number,
 *   figures: Record<string, number>, calls: CallFigures[], files: { name: string, size_bytes: number }[],
 *   disk_free_bytes: number, disk_total_bytes: number,
 * }} Report
 * @typedef {{ report: Report, age_s: number, history: number[] }} Process
 * @typedef {{ level: Level, code: string, subject: string, detail: string }} Problem
 * @typedef {"ok" | "warning" | "critical"} Level
 * @typedef {{
 *   version: string, memory_bytes: number, max_memory_bytes: number, clients: number, per_s: number, up_s: number,
 *   eviction: string,
 * }} RedisFigures
 * @typedef {{ at: string, level: Level, problems: Problem[], processes: Process[], redis: RedisFigures | null }} Status
 * @typedef {{
 *   path: string, state: string, line: number, records: number, duplicates: number, broken: number,
 *   broken_lines: { at: string, line: number, reason: string, excerpt: string }[],
 * }} Source
 * @typedef {{ status: Status | null, ageS: number, fault: string, source: Source | null }} OpsState
 */

/** @type {OpsState} */
const NOTHING_YET = { status: null, ageS: 0, fault: "", source: null };

export const ops = createStore(NOTHING_YET);

let heardAt = 0;
let cancelRetry = () => {};
let cancelSource = () => {};

/** Begin to follow; from then on the store tells. */
export function followOps() {
  on("ops:status", heard);
  on("session:resync", watch);
  let was = "";
  connection.follow(({ state }) => {
    if (state === "live" && was !== "live") {
      watch();
      askSource();
    }
    was = state;
  });
  grow();
}

/** @param {Status} status */
function heard(status) {
  heardAt = ticker.now();
  ops.set({ status, ageS: 0, fault: "" });
}

/** The age of what is shown grows for as long as nothing new comes. */
function grow() {
  ticker.after(LOOK_MS, grow);
  const ageS = heardAt ? Math.floor((ticker.now() - heardAt) / 1000) : 0;
  if (ageS !== ops.get().ageS) ops.set({ ageS });
}

async function watch() {
  cancelRetry();
  try {
    heard(await request("ops:watch"));
  } catch (fault) {
    ops.set({ fault: fault instanceof Error ? fault.message : String(fault) });
    if (connection.get().state === "live") cancelRetry = ticker.after(AGAIN_MS, watch);
  }
}

/** A Pulso without sales has no such endpoint: then there is nothing to show. */
async function askSource() {
  cancelSource();
  if (connection.get().state !== "live") return;
  try {
    ops.set({ source: await request("sales:source") });
  } catch (fault) {
    if (fault instanceof ApiError && fault.code === "not_found") return;
  }
  cancelSource = ticker.after(SOURCE_MS, askSource);
}
