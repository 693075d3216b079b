/**
 * The rooms, and the one that this tab shows: entered, followed, caught up with after each gap.
 *
 * A person is in one room with all tabs: whichever tab moves, the server tells the others (`chat:switched`).
 */
import { user } from "../page.js";
import { connection, on, request } from "../socket.js";
import { createStore } from "../store.js";
import { added, firstSeq, hasHole } from "./log-book.js";
import { createReading } from "./reading.js";
import { reasonOf } from "./reason.js";
import { bookOf, inRoom, NOT_YET, turnedTo, unreadIn, withBook, withMessage, withMove } from "./room-state.js";
import { NOBODY, typing } from "./roster.js";

const ASK_AGAIN_MS = 2000;
const LOOK_AROUND_MS = 5000; // how old the unread counts of the other rooms may get
const HOLE_MS = 400; // an answer may overtake an event by a moment; a hole that stays is one
const PAGE = 50;

/** @typedef {import("./log-book.js").Message} Message */
/** @typedef {import("./room-state.js").Chat} Chat */
/** @typedef {import("./room-state.js").Room} Room */

const me = user?.id ?? "";
const LAST_ROOM = `pulso.chat.room.${me}`;

export const chat = createStore(NOT_YET);
export const reading = createReading({ storage: localStorage, key: `pulso.chat.read.${me}` });

let asked = 0;
/** What the person chose, until the server has done it. @type {string | null} */
let wanted = new URLSearchParams(location.search).get("room");
/** The room that is being entered, and what is heard of it meanwhile: the answer may be older. @type {string | null} */
let joining = null;
/** @type {((chat: Chat) => Chat)[]} */
let meanwhile = [];
let isAtBottom = false;
/** @type {Set<(message: Message) => void>} */
const messageFollowers = new Set();

/** Follow the rooms from each (re)connection on, and again after a gap. */
export function followChat() {
  on("chat:message", heardMessage);
  for (const is of /** @type {const} */ (["joined", "left"])) {
    on(`chat:${is}`, ({ room, user: who }) =>
      heard(room, (now) => withMove(now, is, who, new Date().toISOString())));
  }
  on("chat:typing", ({ room, user: who, typing: types }) =>
    heard(room, (now) => ({ ...now, roster: typing(now.roster, who, types) })));
  on("chat:switched", ({ room }) => (room === null ? stepOut() : moved(room)));
  on("session:resync", comeIn);
  addEventListener("storage", ({ key }) => key?.startsWith("pulso.chat.read.") && reading.changedElsewhere());
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) return;
    markRead();
    lookAround();
  });
  setInterval(lookAround, LOOK_AROUND_MS);
  let was = connection.get().state;
  connection.follow(({ state }) => {
    if (state === "live" && was !== "live") comeIn();
    else if (state !== "live" && was === "live") lost();
    was = state;
  });
  if (wanted) history.replaceState(null, "", location.pathname); // a reload later must not move all tabs back
}

/** Hear of each message of the room, once it is in the book. @param {(message: Message) => void} follower */
export function onMessage(follower) {
  messageFollowers.add(follower);
}

/** Enter a room, with all tabs. @param {string} room */
export function choose(room) {
  if (room === chat.get().room && chat.get().phase === "in") return;
  wanted = room;
  turnTo(room);
  comeIn();
}

/** Leave the room, with all tabs. Rejects with an `ApiError`. */
export async function leave() {
  await request("chat:leave");
  stepOut();
}

/** Be in the room that the person chose, else the one that the server says, with all that was missed. */
export async function comeIn() {
  if (connection.get().state !== "live") return;
  const ask = ++asked;
  try {
    const answer = await request("chat:rooms");
    if (ask !== asked) return;
    took(answer.rooms);
    const ids = answer.rooms.map((/** @type {Room} */ { id }) => id);
    if (wanted && !ids.includes(wanted)) wanted = null;
    const room = wanted ?? answer.current ?? chat.get().room ?? lastRoom(ids);
    if (room === null || (chat.get().phase === "out" && !wanted && !answer.current)) stepOut();
    else await join(room, ask);
  } catch (error) {
    if (ask !== asked) return;
    chat.set({ fault: reasonOf(error) });
    setTimeout(() => ask === asked && comeIn(), ASK_AGAIN_MS);
  }
}

/** Messages before the first one that is shown. */
export async function loadEarlier() {
  const { room, books, phase, isLoading } = chat.get();
  const before = room && books[room] ? firstSeq(books[room]) : 1;
  if (!room || phase !== "in" || isLoading || before <= 1) return;
  chat.set({ isLoading: true, historyFault: "" });
  try {
    const { messages } = await request("chat:history", { room, before, limit: PAGE });
    // Where the room began anew meanwhile these are not what comes before it.
    const now = withBook(chat.get(), room, (book) => (firstSeq(book) === before ? added(book, messages) : book));
    chat.set({ ...now, isLoading: false });
  } catch (error) {
    chat.set({ isLoading: false, historyFault: reasonOf(error) });
  }
}

/** Whether the newest message can be seen; while it can, and the page too, all is read. @param {boolean} isThere */
export function atBottom(isThere) {
  isAtBottom = isThere;
  markRead();
}

/** The person has written: what came before is answered. @param {string} room */
export function answered(room) {
  chat.set(withBook(chat.get(), room, (book) => (book.since === null ? book : { ...book, since: null })));
}

/**
 * How many messages by others wait in a room.
 * @param {Chat} now @param {Room} room @param {Record<string, number>} read
 */
export const unread = (now, room, read) => unreadIn(now, room, read, me);

/** A message is in its room; also as the answer to sending it. @param {Message} message */
export function heardMessage(message) {
  const { room } = message;
  heard(room, (now) => withMessage(now, message, { me, isSeen: isSeen(), read: reading.of(room) }));
  if (room !== chat.get().room) return;
  markRead();
  for (const follower of messageFollowers) follower(message);
  if (isTorn(room)) setTimeout(() => isTorn(room) && comeIn(), HOLE_MS);
}

/** @param {string} room @param {number} ask */
async function join(room, ask) {
  turnTo(room);
  const known = chat.get().books[room];
  joining = room;
  meanwhile = [];
  const answer = await request("chat:join", { room, after: known ? known.upTo : startOf(room) });
  if (ask !== asked) return;
  wanted = joining = null;
  localStorage.setItem(LAST_ROOM, room);
  const reader = { me, read: reading.of(room), isKnown: Boolean(known) };
  chat.set(meanwhile.reduce((now, news) => news(now), inRoom(chat.get(), answer, reader)));
  for (const message of answer.messages) for (const follower of messageFollowers) follower(message);
  markRead();
}

/**
 * Where to begin in a room that this tab has not seen: with all that is unread, and some of what was before.
 * @param {string} room
 */
function startOf(room) {
  const seq = chat.get().rooms.find(({ id }) => id === room)?.seq ?? 0;
  return Math.max(0, Math.min(reading.of(room) ?? seq, seq - PAGE));
}

/** Another tab has moved. @param {string} room */
async function moved(room) {
  wanted = null;
  const ask = ++asked;
  await join(room, ask).catch(() => {
    if (ask === asked) comeIn();
  });
}

/** @param {string} room */
function turnTo(room) {
  if (room === chat.get().room) return;
  isAtBottom = false; // until it is shown, and seen
  chat.set(turnedTo(chat.get(), room));
}

function stepOut() {
  asked += 1;
  wanted = joining = null;
  localStorage.setItem(LAST_ROOM, "");
  chat.set({ room: null, phase: "out", roster: NOBODY, fault: "" });
}

/** Who types is not known any more, nor whether what is shown is all. */
function lost() {
  asked += 1;
  const { phase, roster } = chat.get();
  chat.set({ phase: phase === "out" ? "out" : "entering", roster: { ...roster, typists: [] }, isLoading: false });
}

/** The room of the last visit, null for none, by choice. @param {string[]} ids */
function lastRoom(ids) {
  const last = localStorage.getItem(LAST_ROOM);
  if (last === "") return null;
  return last && ids.includes(last) ? last : (ids[0] ?? null);
}

async function lookAround() {
  const ask = asked;
  if (document.hidden || connection.get().state !== "live" || chat.get().phase === "entering") return;
  try {
    const { rooms, current } = await request("chat:rooms");
    if (ask !== asked) return;
    took(rooms);
    if (current !== chat.get().room) comeIn(); // whatever was missed: now it is known
  } catch {
    // The counts stay as they are; what matters is asked for again by itself.
  }
}

/** @param {Room[]} rooms */
function took(rooms) {
  reading.seen(rooms);
  chat.set({ rooms });
}

/** @param {string} room @param {(now: Chat) => Chat} news */
function heard(room, news) {
  if (room === joining) meanwhile.push(news);
  const now = chat.get();
  if (room === now.room && now.books[room]) chat.set(news(now));
}

/** @param {string} room */
const isTorn = (room) => chat.get().room === room && chat.get().phase === "in" && hasHole(bookOf(chat.get(), room));

const isSeen = () => isAtBottom && !document.hidden;

function markRead() {
  const { room, phase } = chat.get();
  if (room && phase === "in" && isSeen()) reading.readTo(room, bookOf(chat.get(), room).upTo);
}
