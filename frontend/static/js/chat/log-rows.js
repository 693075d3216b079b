/** What the log shows, row by row, as a value: days, the unread line, who came and went, messages in groups. */

/** @typedef {import("./log-book.js").Book} Book */
/** @typedef {import("./log-book.js").Message} Message */
/** @typedef {import("./log-book.js").Notice} Notice */
/** @typedef {import("./outbox.js").Entry} Entry */

/**
 * A message with `isFirst` begins a group: it says who speaks.
 * @typedef {{ is: "day", key: string, at: string }
 *   | { is: "unread", key: string }
 *   | { is: "notice", key: string, what: "joined" | "left", names: string[] }
 *   | { is: "message", key: string, message: Message, isFirst: boolean }
 *   | { is: "entry", key: string, entry: Entry, isFirst: boolean }} Row
 */

/** After a pause of this length a message says again who speaks. */
const GROUP_MS = 5 * 60_000;

/**
 * @param {Book} book
 * @param {Entry[]} entries what is on its way, below all that has arrived
 * @param {{ me: string, dayOf: (at: string) => string }} of `dayOf` is the same for two times of one day
 * @returns {Row[]}
 */
export function rowsOf(book, entries, { me, dayOf }) {
  /** @type {Row[]} */
  const rows = [];
  const notices = [...book.notices];
  let day = "";
  /** @type {{ author: string, at: number } | null} */
  let last = null;

  /** @param {string} at */
  function beginDay(at) {
    if (dayOf(at) === day) return;
    day = dayOf(at);
    rows.push({ is: "day", key: `day ${day}`, at });
    last = null;
  }

  /** @param {string} author @param {string} at */
  function beginsGroup(author, at) {
    const time = Date.parse(at);
    const isFirst = last === null || last.author !== author || time - last.at > GROUP_MS;
    last = { author, at: time };
    return isFirst;
  }

  /** @param {number} seq */
  function tellUpTo(seq) {
    while (notices.length > 0 && notices[0].seq <= seq) {
      const notice = /** @type {Notice} */ (notices.shift());
      beginDay(notice.at);
      tell(rows, notice);
      last = null;
    }
  }

  const unread = firstUnread(book, me);
  for (const message of book.messages) {
    tellUpTo(message.seq - 1);
    beginDay(message.at);
    if (message.seq === unread) {
      rows.push({ is: "unread", key: "unread" });
      last = null;
    }
    const isFirst = beginsGroup(message.author.id, message.at);
    rows.push({ is: "message", key: message.id, message, isFirst });
  }
  tellUpTo(Infinity);
  for (const entry of entries) {
    beginDay(entry.at);
    rows.push({ is: "entry", key: entry.id, entry, isFirst: beginsGroup(me, entry.at) });
  }
  return rows;
}

/**
 * The line stands above the first message of others, once all before it is there.
 * @param {Book} book @param {string} me
 */
function firstUnread({ messages, since }, me) {
  if (since === null || messages.length === 0 || messages[0].seq > since + 1) return null;
  return messages.find(({ seq, author }) => seq > since && author.id !== me)?.seq ?? null;
}

/** Those who do the same one after another share a line. @param {Row[]} rows @param {Notice} notice */
function tell(rows, { key, is, user }) {
  const last = rows.at(-1);
  if (last?.is === "notice" && last.what === is) last.names.push(user.name);
  else rows.push({ is: "notice", key, what: is, names: [user.name] });
}
