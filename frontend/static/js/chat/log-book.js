/** The messages of one room as a value: what comes makes a new one of it, and nothing here speaks to the server. */

/** @typedef {{ id: string, name: string }} Member */
/** @typedef {{ id: string, name: string, url: string, type: string, size: number }} SentFile */
/**
 * @typedef {{
 *   seq: number, id: string, room: string, author: Member, text: string, files: SentFile[], at: string,
 * }} Message
 */

/**
 * Somebody entered or left after the message with this `seq`.
 * @typedef {{ key: string, is: "joined" | "left", user: Member, seq: number, at: string }} Notice
 */

/**
 * `messages` ascend by `seq`. Up to `upTo` none is missing among them: from there a rejoin goes on.
 * `since` is the `seq` after which the unread ones begin, null where no line is drawn.
 * @typedef {{ messages: Message[], upTo: number, notices: Notice[], since: number | null }} Book
 */

const MOST_NOTICES = 50;

/** @type {Book} */
export const EMPTY = { messages: [], upTo: 0, notices: [], since: null };

/**
 * The book with the answer to a join: further messages, or a new beginning where too many were missed.
 * @param {Book | undefined} book what was known; undefined where the answer is all
 * @param {{ messages: Message[], seq: number, gap?: boolean }} answer
 * @returns {Book}
 */
export function entered(book, { messages, seq, gap = false }) {
  if (book && !gap) {
    const next = added(book, messages);
    return { ...next, upTo: Math.max(next.upTo, seq) };
  }
  return { ...EMPTY, messages, upTo: seq };
}

/**
 * The book with these messages, whatever their order, and each once.
 * @param {Book} book @param {Message[]} messages @returns {Book}
 */
export function added(book, messages) {
  const known = new Set(book.messages.map(({ seq }) => seq));
  const fresh = messages.filter(({ seq }) => !known.has(seq) && known.add(seq));
  if (fresh.length === 0) return book;
  const all = [...book.messages, ...fresh].sort((a, b) => a.seq - b.seq);
  let { upTo } = book;
  while (known.has(upTo + 1)) upTo += 1;
  return { ...book, messages: all, upTo };
}

/** Whether a message is missing between two that are there. @param {Book} book */
export const hasHole = ({ messages, upTo }) => (messages.at(-1)?.seq ?? 0) > upTo;

/** The `seq` that history goes back from; 1 where the room begins. @param {Book} book */
export const firstSeq = ({ messages, upTo }) => messages[0]?.seq ?? upTo + 1;

/**
 * The last `keep` messages: what somebody who reads along can scroll back to without asking for it again.
 * @param {Book} book @param {number} keep @returns {Book}
 */
export function trimmed(book, keep) {
  if (book.messages.length <= keep) return book;
  const messages = book.messages.slice(-keep);
  const notices = book.notices.filter(({ seq }) => seq >= messages[0].seq);
  return { ...book, messages, notices };
}

/**
 * The book with the news that somebody entered or left; the oldest such news go.
 * @param {Book} book @param {Pick<Notice, "is" | "user" | "at">} news @returns {Book}
 */
export function noticed(book, { is, user, at }) {
  const seq = book.messages.at(-1)?.seq ?? book.upTo;
  const notice = { key: `${is} ${user.id} ${at}`, is, user, seq, at };
  // Who comes and goes in a silent room is told of once, as it is now.
  const others = book.notices.filter((one) => one.seq !== seq || one.user.id !== user.id);
  return { ...book, notices: [...others, notice].slice(-MOST_NOTICES) };
}

/**
 * How many messages by others come after `seq`.
 * @param {Book} book @param {number} seq @param {string} me
 */
export function newOnes(book, seq, me) {
  let count = 0;
  for (const message of book.messages) if (message.seq > seq && message.author.id !== me) count += 1;
  return count;
}
