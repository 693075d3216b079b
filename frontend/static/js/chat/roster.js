/** Who is in the room and who of them types, as values. */

/** @typedef {import("./log-book.js").Member} Member */
/** @typedef {{ members: Member[], typists: Member[] }} Roster */

/** @type {Roster} */
export const NOBODY = { members: [], typists: [] };

/** @param {Member[]} list @param {Member} one */
const without = (list, one) => list.filter(({ id }) => id !== one.id);

/** @param {Roster} roster @param {Member} user @returns {Roster} */
export const arrived = ({ members, typists }, user) => ({ members: [...without(members, user), user], typists });

/** @param {Roster} roster @param {Member} user @returns {Roster} */
export const gone = ({ members, typists }, user) => ({
  members: without(members, user),
  typists: without(typists, user),
});

/**
 * In the order in which they began; the same roster where nothing changes.
 * @param {Roster} roster @param {Member} user @param {boolean} types @returns {Roster}
 */
export function typing(roster, user, types) {
  const { members, typists } = roster;
  if (typists.some(({ id }) => id === user.id) === types) return roster;
  return { members, typists: types ? [...typists, user] : without(typists, user) };
}
