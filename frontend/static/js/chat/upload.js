/** One file on its way to the server: by XMLHttpRequest, the only one that tells how far an upload is. */
import { ApiError } from "../api.js";
import { t } from "../page.js";

/** @typedef {import("./log-book.js").SentFile} SentFile */

/**
 * @param {File} file
 * @param {(part: number) => void} onProgress from 0 to 1
 * @returns {{ sent: Promise<SentFile>, abort: () => void }} `sent` rejects with an `ApiError`
 */
export function upload(file, onProgress) {
  const request = new XMLHttpRequest();
  /** @type {Promise<SentFile>} */
  const sent = new Promise((resolve, reject) => {
    request.upload.addEventListener("progress", ({ loaded, total }) => onProgress(total ? loaded / total : 0));
    request.addEventListener("load", () => {
      const answer = request.response;
      if (request.status === 201 && answer?.files?.length === 1) resolve(answer.files[0]);
      else reject(new ApiError(answer?.error?.code ?? "internal", answer?.error?.message ?? t("error.internal")));
    });
    request.addEventListener("error", () => reject(new ApiError("offline", t("chat.file.broken-off"))));
    request.addEventListener("abort", () => reject(new ApiError("cancelled", "")));
  });
  const body = new FormData();
  body.append("files", file, file.name);
  request.open("POST", "/api/chat/files");
  request.responseType = "json";
  request.send(body);
  return { sent, abort: () => request.abort() };
}
