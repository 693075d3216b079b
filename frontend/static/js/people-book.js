/** Who is here, as a value: news make a new one of it, and nothing here speaks to the server. */

/** @typedef {{ id: string, name: string, kind: string }} Person */
/** @typedef {Person & { since: string, connections: number, gateways: string[] }} PersonHere */

/**
 * `rows` may be fewer than `total`: the server lists the first few hundred.
 * @typedef {{ rows: Map<string, PersonHere>, total: number }} Book
 */

/**
 * @typedef {{ is: "joined", user: Person, at: string }
 *   | { is: "left", user: Person }
 *   | { is: "changed", users: PersonHere[], total: number }} News
 */

/** @param {{ users: PersonHere[], total: number }} answer @returns {Book} */
export function bookOf({ users, total }) {
  return { rows: new Map(users.map((row) => [row.id, row])), total };
}

/**
 * The book after all these news, in their order.
 * @param {Book} book @param {News[]} news @returns {Book}
 */
export function after(book, news) {
  const rows = new Map(book.rows);
  let { total } = book;
  for (const item of news) {
    if (item.is === "changed") {
      for (const row of item.users) rows.set(row.id, row);
      total = item.total;
    } else if (item.is === "left") {
      // Where not all are listed it may be somebody unknown: the next change brings the right total.
      if (rows.delete(item.user.id)) total -= 1;
    } else if (!rows.has(item.user.id)) {
      // What else is known of the person comes with the next change, within a second.
      rows.set(item.user.id, { ...item.user, since: item.at, connections: 1, gateways: [] });
      total += 1;
    }
  }
  return { rows, total };
}

/** Without case, accents and needless spaces, as the server compares names. @param {string} text */
export function folded(text) {
  return text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase().split(/\s+/).filter(Boolean).join(" ");
}

/**
 * Those with `search` in their names, by name.
 * @param {Book} book @param {string} search @param {Intl.Collator} order
 */
export function found(book, search, order) {
  const wanted = folded(search);
  const rows = [...book.rows.values()].filter((row) => folded(row.name).includes(wanted));
  return rows.sort((a, b) => order.compare(a.name, b.name) || (a.id < b.id ? -1 : 1));
}
