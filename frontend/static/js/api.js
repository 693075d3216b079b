/** Requests to the HTTP API: JSON there and back, and every failure an `ApiError`. */
import { t } from "./page.js";

export class ApiError extends Error {
  /**
   * @param {string} code one of the API's codes, or "offline" where no answer came
   * @param {string} message for a person, in the server's words
   * @param {number | null} retryAfterS
   */
  constructor(code, message, retryAfterS = null) {
    super(message);
    this.code = code;
    this.retryAfterS = retryAfterS;
  }
}

/** @param {string} path @returns {Promise<any>} */
export const get = (path) => ask(path, {});

/**
 * @param {string} path
 * @param {object} body
 * @returns {Promise<any>}
 */
export function post(path, body = {}) {
  return ask(path, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
    keepalive: true, // a log-out must arrive (and its cookie go) even though the page is left meanwhile
  });
}

/** @param {string} path @param {RequestInit} init @returns {Promise<any>} */
async function ask(path, init) {
  let response;
  try {
    response = await fetch(path, { credentials: "same-origin", ...init });
  } catch {
    throw new ApiError("offline", t("error.offline"));
  }
  const answer = await response.json().catch(() => null);
  if (response.ok) return answer;
  const wait = Number(response.headers.get("Retry-After")) || null;
  throw new ApiError(answer?.error?.code ?? "internal", answer?.error?.message ?? t("error.internal"), wait);
}
