/** What is searched for: as it stands in the page's address, and as the server is asked. */

/**
 * @typedef {{ user: string, event: string, direction: string, outcome: string, since: string, until: string,
 *   text: string }} Filters `since` and `until` are local times as an input has them, the others as the server takes them
 */

/** @type {Filters} */
export const NO_FILTERS = { user: "", event: "", direction: "", outcome: "", since: "", until: "", text: "" };

const NAMES = /** @type {(keyof Filters)[]} */ (Object.keys(NO_FILTERS));

/** This page asks again and again; what it asks for would soon be all that it shows. */
const NOT_ITSELF = "!journal:messages";

/** @param {string} query @returns {Filters} */
export function filtersOf(query) {
  const asked = new URLSearchParams(query);
  const filters = { ...NO_FILTERS };
  for (const name of NAMES) filters[name] = (asked.get(name) ?? "").slice(0, 200);
  if (filters.direction !== "in" && filters.direction !== "out") filters.direction = "";
  for (const name of /** @type {const} */ (["since", "until"])) {
    if (Number.isNaN(Date.parse(filters[name]))) filters[name] = "";
  }
  return filters;
}

/** The query of the page's address, with `?` where there is any. @param {Filters} filters */
export function queryOf(filters) {
  const query = new URLSearchParams(NAMES.filter((name) => filters[name]).map((name) => [name, filters[name]]));
  return query.size ? `?${query}` : "";
}

/** What `journal:messages` is asked. @param {Filters} filters @returns {Record<string, string>} */
export function requestOf(filters) {
  /** @type {Record<string, string>} */
  const asked = { event: NOT_ITSELF };
  for (const name of NAMES) {
    const value = filters[name].trim();
    if (value) asked[name] = name === "since" || name === "until" ? new Date(value).toISOString() : value;
  }
  return asked;
}

/** @param {Filters} filters */
export const isFiltered = (filters) => NAMES.some((name) => filters[name].trim() !== "");
