/** Numbers, money and times as the page's language writes them. */
import { lang } from "./page.js";

const MONEY = new Intl.NumberFormat(lang, { style: "currency", currency: "BRL" });
const COUNT = new Intl.NumberFormat(lang);
const SHORT = new Intl.NumberFormat(lang, { notation: "compact" });
const TIME = new Intl.DateTimeFormat(lang, { hour: "2-digit", minute: "2-digit", hour12: false });
const SECONDS = new Intl.DateTimeFormat(lang, {
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  hour12: false,
});

/** Cents as reais. @param {number} cents */
export const money = (cents) => MONEY.format(cents / 100);

/** @param {number} number */
export const count = (number) => COUNT.format(number);

/** Rounded where it is long, for an axis. @param {number} number */
export const short = (number) => SHORT.format(number);

/** Hours and minutes, local. @param {string} at ISO-8601 */
export const time = (at) => TIME.format(new Date(at));

/** With seconds. @param {string} at ISO-8601 */
export const exactTime = (at) => SECONDS.format(new Date(at));
