/** Keeps the list of who is here up to date with the server while the page can be seen. */
import { after, bookOf } from "./people-book.js";
import { connection, on, request } from "./socket.js";
import { createStore } from "./store.js";

const ASK_AGAIN_MS = 2000;
const GATHER_MS = 100; // a thousand people who come at once are one change of the page

/** @type {{ book: import("./people-book.js").Book | null, fault: string }} */
const NOTHING_YET = { book: null, fault: "" };

export const people = createStore(NOTHING_YET);

/** @type {import("./people-book.js").News[]} */
let news = [];
let asked = 0;

/** Follow the list from each (re)connection on, and again after a gap. */
export function followPeople() {
  on("presence:joined", ({ user }) => take({ is: "joined", user, at: new Date().toISOString() }));
  on("presence:left", ({ user }) => take({ is: "left", user }));
  on("presence:changed", ({ users, total }) => take({ is: "changed", users, total }));
  on("session:resync", watchPeople);
  document.addEventListener("visibilitychange", watchPeople);
  let was = connection.get().state;
  connection.follow(({ state }) => {
    if (state === "live" && was !== "live") watchPeople();
    was = state;
  });
}

/** Ask for the list, and for what changes in it; a hidden page asks for quiet. */
export async function watchPeople() {
  if (connection.get().state !== "live") return;
  if (document.hidden) {
    request("presence:unwatch").catch(() => {}); // then it hears more than it needs: no harm
    return;
  }
  const ask = ++asked;
  try {
    const answer = await request("presence:watch");
    if (ask !== asked) return;
    news = []; // what came before the answer is in it
    people.set({ book: bookOf(answer), fault: "" });
  } catch (error) {
    if (ask !== asked) return;
    people.set({ fault: error instanceof Error ? error.message : String(error) });
    setTimeout(() => ask === asked && watchPeople(), ASK_AGAIN_MS);
  }
}

/**
 * Bring those with `search` in their names into the list, where the page does not know all who are here.
 * @param {string} search
 */
export async function searchPeople(search) {
  const { users } = await request("presence:list", { search });
  const { book } = people.get();
  if (book) people.set({ book: after(book, [{ is: "changed", users, total: book.total }]) });
}

/** @param {import("./people-book.js").News} item */
function take(item) {
  if (news.push(item) === 1) setTimeout(apply, GATHER_MS);
}

function apply() {
  const { book } = people.get();
  if (book) people.set({ book: after(book, news) });
  news = [];
}
