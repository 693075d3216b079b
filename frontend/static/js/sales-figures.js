/**
 * The figures of a period, pure: what a summary becomes when further sales are told.
 *
 * @typedef {{
 *   id: string, sold_at: string, store: string, seller: string, product: string, category: string,
 *   quantity: number, unit_price_cents: number, total_cents: number, payment: string,
 * }} Sale
 * @typedef {{ sales: number, quantity: number, total_cents: number }} Figures
 * @typedef {Figures & { at: string }} Minute
 * @typedef {Figures & { product: string, category: string }} Product
 * @typedef {{
 *   now: string, minutes: number, totals: Figures, series: Minute[], products: Product[], latest: Sale[],
 * }} Summary
 */

const MINUTE_MS = 60_000;
export const LATEST = 100;

/**
 * The summary with these sales in it, oldest first. One that is in it already counts once; one of a minute outside
 * the period is among the latest alone.
 * @param {Summary} summary
 * @param {Sale[]} sales
 * @returns {Summary}
 */
export function counted(summary, sales) {
  const known = new Set(summary.latest.map(({ id }) => id));
  const news = sales.filter(({ id }) => !known.has(id) && known.add(id));
  if (news.length === 0) return summary;
  const series = [...summary.series];
  const products = new Map(summary.products.map((row) => [keyOf(row), row]));
  let { totals } = summary;
  const from = Date.parse(series[0].at);
  for (const sale of news) {
    const place = Math.floor((Date.parse(sale.sold_at) - from) / MINUTE_MS);
    if (place < 0 || place >= series.length) continue;
    series[place] = plus(series[place], sale);
    totals = plus(totals, sale);
    const row = products.get(keyOf(sale));
    products.set(keyOf(sale), plus(row ?? { ...NOTHING, product: sale.product, category: sale.category }, sale));
  }
  return {
    ...summary,
    totals,
    series,
    products: [...products.values()].sort(byRank),
    latest: [...summary.latest, ...news].slice(-LATEST),
  };
}

/**
 * Of what was told while the summary was on its way: that which is not in it. All that was told before the last
 * sale that it knows is.
 * @param {Summary} summary
 * @param {Sale[]} told in the order in which it was told
 */
export function toldSince(summary, told) {
  const known = new Set(summary.latest.map(({ id }) => id));
  let last = told.length - 1;
  while (last >= 0 && !known.has(told[last].id)) last -= 1;
  return told.slice(last + 1);
}

/** @type {Figures} */
const NOTHING = { sales: 0, quantity: 0, total_cents: 0 };

/**
 * @template {Figures} T
 * @param {T} figures
 * @param {Sale} sale
 * @returns {T}
 */
function plus(figures, sale) {
  return {
    ...figures,
    sales: figures.sales + 1,
    quantity: figures.quantity + sale.quantity,
    total_cents: figures.total_cents + sale.total_cents,
  };
}

/** @param {{ product: string, category: string }} row */
const keyOf = ({ product, category }) => JSON.stringify([product, category]);

/** The best first; the row of all others, which has no name, last. @param {Product} a @param {Product} b */
function byRank(a, b) {
  return Number(a.product === "") - Number(b.product === "") || b.total_cents - a.total_cents;
}
