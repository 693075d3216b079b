/** The rooms as the page shows them, as a value: each piece of news makes a new one, and nothing here asks anybody. */
import { added, EMPTY, entered, newOnes, noticed, trimmed } from "./log-book.js";
import { arrived, gone, NOBODY, typing } from "./roster.js";

/** Who reads along keeps so many messages of a room in memory, and up to so many until they are cut back. */
const KEEP = 300;
const MOST = 500;

/** @typedef {import("./log-book.js").Message} Message */
/** @typedef {import("./log-book.js").Member} Member */
/** @typedef {import("./log-book.js").Book} Book */
/** @typedef {{ id: string, name: string, members: number, seq: number }} Room */
/**
 * `entering`: the room is asked for; `in`: what is shown is what is; `out`: in no room, by choice.
 * @typedef {{
 *   rooms: Room[], room: string | null, phase: "entering" | "in" | "out", books: Record<string, Book>,
 *   roster: import("./roster.js").Roster, fault: string, isLoading: boolean, historyFault: string,
 * }} Chat
 */

/** @type {Chat} */
export const NOT_YET = {
  rooms: [], room: null, phase: "entering", books: {}, roster: NOBODY, fault: "", isLoading: false, historyFault: "",
};

/** @param {Chat} now @param {string} room */
export const bookOf = (now, room) => now.books[room] ?? EMPTY;

/** @param {Chat} now @param {string} room @param {(book: Book) => Book} to @returns {Chat} */
export function withBook(now, room, to) {
  const book = bookOf(now, room);
  const next = to(book);
  return next === book ? now : { ...now, books: { ...now.books, [room]: next } };
}

/**
 * A message has come. Where it is not seen, the unread line is drawn above the first one of others.
 * @param {Chat} now @param {Message} message
 * @param {{ me: string, isSeen: boolean, read: number | undefined }} reader `read`: the last `seq` read in the room
 * @returns {Chat}
 */
export function withMessage(now, message, { me, isSeen, read = message.seq - 1 }) {
  const { room, author, seq } = message;
  const next = withBook(now, room, (book) => {
    const more = added(book, [message]);
    if (isSeen) return more.messages.length > MOST ? trimmed(more, KEEP) : more;
    const isFirst = author.id !== me && more !== book && (more.since === null || read >= seq - 1);
    return isFirst ? { ...more, since: read } : more;
  });
  return { ...next, roster: typing(next.roster, author, false) };
}

/**
 * Somebody entered the room that is shown, or left it.
 * @param {Chat} now @param {"joined" | "left"} is @param {Member} who @param {string} at @returns {Chat}
 */
export function withMove(now, is, who, at) {
  const roster = is === "joined" ? arrived(now.roster, who) : gone(now.roster, who);
  return withBook({ ...now, roster }, now.room ?? "", (book) => noticed(book, { is, user: who, at }));
}

/**
 * Another room is shown: what is known of it at once, the rest once it is entered.
 * @param {Chat} now @param {string} room @returns {Chat}
 */
export function turnedTo(now, room) {
  const { room: last } = now;
  const next = last && now.books[last] ? withBook(now, last, (book) => ({ ...trimmed(book, KEEP), since: null })) : now;
  return { ...next, room, phase: "entering", roster: NOBODY, historyFault: "", isLoading: false };
}

/**
 * The answer to entering a room. Messages by others after `read` begin below the unread line.
 * @param {Chat} now
 * @param {{ room: string, members: Member[], messages: Message[], seq: number, gap?: boolean }} answer
 * @param {{ me: string, read: number | undefined, isKnown: boolean }} reader `isKnown`: only what came since was asked
 * @returns {Chat}
 */
export function inRoom(now, answer, { me, read = answer.seq, isKnown }) {
  const { room, members } = answer;
  const book = entered(isKnown ? now.books[room] : undefined, answer);
  const since = newOnes(book, read, me) > 0 ? (book.since ?? read) : book.since;
  const books = { ...now.books, [room]: { ...book, since } };
  return { ...now, room, phase: "in", roster: { members, typists: [] }, fault: "", books };
}

/**
 * How many messages by others wait in a room; of one that is not shown only their number is known.
 * @param {Chat} now @param {Room} room @param {Record<string, number>} read @param {string} me
 */
export function unreadIn({ room: current, books }, { id, seq }, read, me) {
  const book = books[id];
  if (id === current && book) return newOnes(book, read[id] ?? 0, me);
  return Math.max(0, seq - (read[id] ?? seq));
}
