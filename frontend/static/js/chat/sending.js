/** From the composer to the room: drafts, their files, the outbox, and the word that somebody types. */
import { newId } from "../ids.js";
import { user } from "../page.js";
import { connection, request } from "../socket.js";
import { ticker } from "../ticker.js";
import { answered, chat, comeIn, heardMessage, onMessage } from "./conversation.js";
import { createDrafts } from "./drafts.js";
import { createOutbox } from "./outbox.js";
import { reasonOf } from "./reason.js";
import { createTypingNotice } from "./typing-notice.js";
import { upload } from "./upload.js";
import { sendable } from "./words.js";

const me = user?.id ?? "";

export const outbox = createOutbox({
  storage: sessionStorage,
  key: `pulso.chat.outbox.${me}`,
  clock: ticker,
  random: Math.random,
  send: ({ id, room, text, files }) => request("chat:send", { id, room, text, files: files.map((file) => file.id) }),
  rejoin: comeIn,
  onSent: heardMessage,
});

export const drafts = createDrafts({
  storage: sessionStorage,
  key: `pulso.chat.drafts.${me}`,
  newId,
  upload,
  previewOf: (file) => (file.type.startsWith("image/") ? URL.createObjectURL(file) : ""),
  forget: (preview) => preview.startsWith("blob:") && URL.revokeObjectURL(preview),
  reasonOf,
  send(room, text, files) {
    typingNotice.forgotten();
    answered(room);
    outbox.put({ id: newId(), room, text: sendable(text), files, at: new Date().toISOString() });
  },
});

export const typingNotice = createTypingNotice({
  now: () => ticker.now(),
  tell(typing) {
    if (connection.get().state === "live" && chat.get().phase === "in") {
      request("chat:typing", { typing }).catch(() => {}); // not worth a word: it ends by itself
    }
  },
});

/** Send what is in the outbox whenever, and only while, this tab is in its room. */
export function followSending() {
  onMessage(({ id }) => outbox.arrived(id));
  /** @type {string | null} */
  let was = null;
  chat.follow(({ room, phase }) => {
    const open = phase === "in" ? room : null;
    if (open === was) return;
    was = open;
    typingNotice.forgotten();
    outbox.opened(open);
  });
}
