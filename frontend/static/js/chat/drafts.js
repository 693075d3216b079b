/**
 * What is being written in each room, with the files that go along: they are uploaded as soon as they are chosen, a few
 * at a time. A message is sent once all its files are up; until then, and where one of them fails, the draft stays.
 */
import { createStore } from "../store.js";

const AT_ONCE = 3;

/** @typedef {import("./log-book.js").SentFile} SentFile */
/**
 * @typedef {{
 *   key: string, name: string, size: number, type: string, preview: string,
 *   state: "waiting" | "uploading" | "done" | "failed", part: number, file: SentFile | null, fault: string,
 * }} Attachment `preview` is the address of an image, `part` goes from 0 to 1
 */
/**
 * `isWaiting`: it is to be sent once the files are up.
 * @typedef {{ text: string, attachments: Attachment[], isWaiting: boolean }} Draft
 */

/** @type {Draft} */
export const NO_DRAFT = { text: "", attachments: [], isWaiting: false };

/**
 * @param {{
 *   storage: Pick<Storage, "getItem" | "setItem" | "removeItem">, key: string, newId: () => string,
 *   upload: typeof import("./upload.js").upload,
 *   previewOf: (file: File) => string, forget: (preview: string) => void,
 *   reasonOf: (error: unknown) => string,
 *   send: (room: string, text: string, files: SentFile[]) => void,
 * }} parts
 */
export function createDrafts({ storage, key, newId, upload, previewOf, forget, reasonOf, send }) {
  /** @type {import("../store.js").Store<{ drafts: Record<string, Draft> }>} */
  const store = createStore({ drafts: load() });
  /** @type {Map<string, File>} */
  const sources = new Map();
  /** @type {Map<string, () => void>} */
  const underWay = new Map();

  /** Texts, and the files that are up: what is not, is lost with the page. @returns {Record<string, Draft>} */
  function load() {
    try {
      return JSON.parse(storage.getItem(key) ?? "{}");
    } catch {
      return {};
    }
  }

  /** @param {string} room @returns {Draft} */
  const of = (room) => store.get().drafts[room] ?? NO_DRAFT;

  /** @param {string} room @param {Partial<Draft>} news */
  function change(room, news) {
    const drafts = { ...store.get().drafts, [room]: { ...of(room), ...news } };
    store.set({ drafts });
    try {
      storage.setItem(key, JSON.stringify(kept(drafts)));
    } catch {
      // A full or forbidden storage: the draft lives as long as the page.
    }
  }

  /** @param {string} room @param {string} id @param {Partial<Attachment>} news */
  function changeFile(room, id, news) {
    const attachments = of(room).attachments.map((one) => (one.key === id ? { ...one, ...news } : one));
    change(room, { attachments });
  }

  /** Start what waits, as far as there is room for it. */
  function goOn() {
    for (const [room, { attachments }] of Object.entries(store.get().drafts)) {
      for (const { key: id, state } of attachments) {
        if (underWay.size >= AT_ONCE) return;
        if (state === "waiting") start(room, id);
      }
    }
  }

  /** @param {string} room @param {string} id */
  async function start(room, id) {
    const source = /** @type {File} */ (sources.get(id));
    const { sent, abort } = upload(source, (part) => changeFile(room, id, { part }));
    underWay.set(id, abort);
    changeFile(room, id, { state: "uploading", part: 0, fault: "" });
    try {
      changeFile(room, id, { state: "done", part: 1, file: await sent });
    } catch (error) {
      changeFile(room, id, { state: "failed", fault: reasonOf(error) });
      if (of(room).isWaiting) change(room, { isWaiting: false }); // the person decides
    }
    underWay.delete(id);
    goOn();
    if (of(room).isWaiting) this_.send(room);
  }

  const this_ = {
    store,
    of,

    /** @param {string} room @param {string} text */
    write: (room, text) => change(room, { text, isWaiting: false }),

    /** @param {string} room @param {Iterable<File>} files */
    attach(room, files) {
      const fresh = [...files].map((file) => {
        const id = newId();
        sources.set(id, file);
        return { ...described(file), key: id, preview: previewOf(file) };
      });
      change(room, { attachments: [...of(room).attachments, ...fresh] });
      goOn();
    },

    /** Take a file out; an upload of it is given up. @param {string} room @param {string} id */
    detach(room, id) {
      const one = of(room).attachments.find((file) => file.key === id);
      change(room, { attachments: of(room).attachments.filter((file) => file.key !== id) });
      underWay.get(id)?.();
      sources.delete(id);
      if (one?.preview) forget(one.preview);
      if (of(room).isWaiting) this_.send(room);
    },

    /** @param {string} room @param {string} id */
    retry(room, id) {
      changeFile(room, id, { state: "waiting", fault: "" });
      goOn();
    },

    /**
     * Put back a message that was not sent, above what is being written.
     * @param {string} room @param {string} text @param {SentFile[]} files
     */
    restore(room, text, files) {
      const back = files.map((file) => {
        const preview = file.type.startsWith("image/") ? file.url : "";
        return { ...described(file), key: newId(), preview, state: /** @type {const} */ ("done"), part: 1, file };
      });
      const now = of(room);
      const texts = [text, now.text].filter(Boolean).join("\n");
      change(room, { text: texts, attachments: [...back, ...now.attachments] });
    },

    /** Send the draft, or wait for its files first. Does nothing with an empty one. @param {string} room */
    send(room) {
      const { text, attachments } = of(room);
      if (!text.trim() && attachments.length === 0) return change(room, { isWaiting: false });
      if (attachments.some(({ state }) => state === "failed")) return change(room, { isWaiting: false });
      if (attachments.some(({ state }) => state !== "done")) return change(room, { isWaiting: true });
      const files = attachments.map(({ file }) => /** @type {SentFile} */ (file));
      change(room, NO_DRAFT);
      for (const { key: id, preview } of attachments) {
        sources.delete(id);
        if (preview) forget(preview);
      }
      return send(room, text, files);
    },

    /** @param {string} room */
    stopWaiting: (room) => change(room, { isWaiting: false }),
  };
  return this_;
}

/** @param {{ name: string, size: number, type: string }} file @returns {Attachment} */
function described({ name, size, type }) {
  return { key: "", name, size, type, preview: "", state: "waiting", part: 0, file: null, fault: "" };
}

/** @param {Record<string, Draft>} drafts @returns {Record<string, Draft>} */
function kept(drafts) {
  /** @type {Record<string, Draft>} */
  const result = {};
  for (const [room, { text, attachments }] of Object.entries(drafts)) {
    const done = attachments.filter(({ state }) => state === "done");
    const files = done.map((one) => ({ ...one, preview: previewLater(one) }));
    if (text || files.length > 0) result[room] = { text, attachments: files, isWaiting: false };
  }
  return result;
}

/** The address of a preview ends with the page; the file's own does not. @param {Attachment} one */
const previewLater = ({ preview, file }) => (preview && file ? file.url : "");
