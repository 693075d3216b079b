/** Days, times, sizes and lists of names, as people write them in the page's language. */
import { lang } from "../page.js";

const MB = 1 << 20;

const hourAndMinute = new Intl.DateTimeFormat(lang, { hour: "2-digit", minute: "2-digit" });
const whole = new Intl.DateTimeFormat(lang, { dateStyle: "full", timeStyle: "medium" });
const thisYear = new Intl.DateTimeFormat(lang, { weekday: "long", day: "numeric", month: "long" });
const otherYear = new Intl.DateTimeFormat(lang, { day: "numeric", month: "long", year: "numeric" });
const relative = new Intl.RelativeTimeFormat(lang, { numeric: "auto" });
const list = new Intl.ListFormat(lang, { type: "conjunction" });
const kilobytes = new Intl.NumberFormat(lang, { style: "unit", unit: "kilobyte", maximumFractionDigits: 0 });
const megabytes = new Intl.NumberFormat(lang, { style: "unit", unit: "megabyte", maximumFractionDigits: 1 });

/** @param {string} at */
export const timeOf = (at) => hourAndMinute.format(new Date(at));

/** @param {string} at */
export const inFull = (at) => whole.format(new Date(at));

/** The same for all times of one day, where the browser is. @param {string} at */
export const dayOf = (at) => new Date(at).toDateString();

/** Today, yesterday, Monday 2 March. @param {string} at */
export function dayName(at) {
  const day = new Date(at);
  const now = new Date();
  const ago = Math.round((startOf(now) - startOf(day)) / 86_400_000);
  const year = day.getFullYear() === now.getFullYear() ? thisYear : otherYear;
  const name = ago === 0 || ago === 1 ? relative.format(-ago, "day") : year.format(day);
  return name.charAt(0).toLocaleUpperCase(lang) + name.slice(1);
}

/** @param {Date} day */
const startOf = (day) => new Date(day.getFullYear(), day.getMonth(), day.getDate()).getTime();

/** @param {string[]} names */
export const together = (names) => list.format(names);

/** @param {number} bytes */
export function sizeOf(bytes) {
  return bytes < MB ? kilobytes.format(Math.max(bytes > 0 ? 1 : 0, bytes / 1024)) : megabytes.format(bytes / MB);
}
