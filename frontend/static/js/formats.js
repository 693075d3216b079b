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

const UNITS = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"].map(
  (unit) => new Intl.NumberFormat(lang, { style: "unit", unit, unitDisplay: "short", maximumFractionDigits: 1 }),
);
const RATE = new Intl.NumberFormat(lang, { maximumFractionDigits: 1 });
const LENGTHS = /** @type {const} */ ([
  ["day", 86_400],
  ["hour", 3600],
  ["minute", 60],
  ["second", 1],
]);

/** With the unit that fits. @param {number} size */
export function bytes(size) {
  let unit = 0;
  while (size >= 1000 && unit < UNITS.length - 1) {
    size /= 1000;
    unit += 1;
  }
  return UNITS[unit].format(size);
}

/** So many a second. @param {number} number */
export const rate = (number) => `${RATE.format(number)}/s`;

/** @param {number} milliseconds */
export const ms = (milliseconds) => `${RATE.format(milliseconds)} ms`;

/** In the largest unit of which there are two. @param {number} seconds */
export function duration(seconds) {
  for (const [unit, length] of LENGTHS) {
    if (seconds >= 2 * length || unit === "second") {
      const whole = Math.max(0, Math.floor(seconds / length));
      return new Intl.NumberFormat(lang, { style: "unit", unit, unitDisplay: "short" }).format(whole);
    }
  }
  return "";
}
