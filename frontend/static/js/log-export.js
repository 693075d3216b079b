/** The export: everything that fits the filters, as a file of JSON lines. */
import { post } from "./api.js";
import { requestOf } from "./log-filters.js";

const PAGE = 500;
export const MOST = 100_000;

/**
 * @param {import("./log-filters.js").Filters} filters
 * @param {(count: number) => void} onProgress
 * @param {AbortSignal} signal stops it; what has come until then is exported
 * @returns {Promise<number>} how many messages are in the file; rejects with an `ApiError`
 */
export async function exportLog(filters, onProgress, signal) {
  /** @type {string[]} */
  const lines = [];
  /** @type {number | null} */
  let next = null;
  do {
    const page = next === null ? {} : { before: next };
    // Not through the socket: there, so many requests at once would be too many.
    const answer = await post("/api/journal/messages", { ...requestOf(filters), ...page, limit: PAGE });
    for (const message of answer.messages) lines.push(`${JSON.stringify(message)}\n`);
    next = answer.next;
    onProgress(lines.length);
  } while (next !== null && lines.length < MOST && !signal.aborted);
  save(new Blob(lines, { type: "application/jsonl" }), `pulso-log-${new Date().toISOString().slice(0, 19)}.jsonl`);
  return lines.length;
}

/** @param {Blob} content @param {string} name */
function save(content, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(content);
  link.download = name.replaceAll(":", "-");
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
