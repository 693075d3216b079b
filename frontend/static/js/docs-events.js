/** What goes over sockets, shown in a sandboxed frame that is sent what it shows: it can fetch nothing itself. */
import { t } from "./page.js";
import { followScheme, isDark } from "./scheme.js";

const frame = /** @type {HTMLIFrameElement} */ (document.getElementById("asyncapi"));

addEventListener("message", answerFrame);
followScheme((dark) => tellFrame({ dark }));
// Only now: its first message must find somebody who listens.
frame.src = frame.dataset.address ?? "";

/** The frame says when it can be told. It has no origin that could be asked for. @param {MessageEvent} message */
async function answerFrame({ source, data }) {
  if (source !== frame.contentWindow || data !== "ready") return;
  const fault = document.getElementById("docs-fault");
  try {
    const answer = await fetch("/api/asyncapi.json");
    if (!answer.ok) throw new Error(String(answer.status));
    tellFrame({ dark: isDark(), document: await answer.json() });
    if (fault) fault.textContent = "";
  } catch {
    if (fault) fault.textContent = t("docs.unavailable");
  }
}

/** @param {{dark: boolean, document?: object}} what nothing in it is secret: any origin may hear it */
function tellFrame(what) {
  frame.contentWindow?.postMessage(what, "*");
}
