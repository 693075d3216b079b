/** The page's drawings. What they mean is said in words beside them. */
import { html } from "../html.js";

/** @type {Record<string, string>} paths on a field of 24 by 24 */
const PATHS = {
  attach: "M21 11.5 12.5 20a5.5 5.5 0 0 1-8-8l8.5-8.5a3.7 3.7 0 0 1 5.3 5.3l-8.5 8.4a1.8 1.8 0 0 1-2.6-2.6l7.8-7.7",
  send: "M4 12 20 4l-5 16-3.2-6.6zM20 4l-8.2 9.4",
  people: "M9 11.5a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7ZM2.5 20c.4-3.6 3-5.5 6.5-5.5s6 2 6.5 5.5M16 5a3.4 3.4 0 0 1 0 6",
  leave: "M14 4h5v16h-5M15 12H3.5M8 7.5 3.5 12 8 16.5",
  close: "M6 6l12 12M18 6 6 18",
  down: "M12 5v14M6 13l6 6 6-6",
  again: "M19.5 8A8.5 8.5 0 1 0 20.5 13M20.5 3.5V8.5H15.5",
  check: "M5 12.5 10 17.5 19.5 7",
  clock: "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18ZM12 7v5.5l3.5 2",
  warning: "M12 8.5v5M12 17v.2M12 3 2.5 20h19Z",
  image: "M4 4.5h16v15H4ZM4 16.5l5-5 4 4 2.5-2.5 4.5 4.5M15.5 9.3v.1",
  audio: "M9 18V6l11-2v12M9 18a2.7 2.7 0 1 1-5.4 0A2.7 2.7 0 0 1 9 18ZM20 16a2.7 2.7 0 1 1-5.4 0 2.7 2.7 0 0 1 5.4 0Z",
  video: "M3 6h12v12H3ZM15 10.5 21 7v10l-6-3.5",
  pdf: "M6 2.5h8l4.5 4.5v14.5H6ZM14 2.5V7h4.5M9 12.5h6.5M9 16h6.5",
  file: "M6 2.5h8l4.5 4.5v14.5H6ZM14 2.5V7h4.5",
};

/** @param {{ name: string }} props */
export function Icon({ name }) {
  return html`
    <svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false"><path d=${PATHS[name]} /></svg>
  `;
}

/** What a file is, as a drawing's name. @param {string} type a media type */
export function kindOf(type) {
  if (type === "application/pdf") return "pdf";
  const kind = type.split("/")[0];
  return ["image", "audio", "video"].includes(kind) ? kind : "file";
}
