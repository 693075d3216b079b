/** What was taken in each minute, as a line; the figures under the pointer in words above it. */
import { useEffect, useRef, useState } from "preact/hooks";

import { count, money, short, time } from "./formats.js";
import { html } from "./html.js";
import { t } from "./page.js";

/** @typedef {import("./sales-figures.js").Minute} Minute */

/** @param {{ series: Minute[] }} props */
export function SalesChart({ series }) {
  const place = useRef(/** @type {HTMLDivElement | null} */ (null));
  const chart = useRef(/** @type {Chart | null} */ (null));
  const latest = useRef(series);
  const [isMissing, setMissing] = useState(false);
  const [pointed, setPointed] = useState(/** @type {number | null} */ (null));
  latest.current = series;
  useEffect(() => {
    let isGone = false;
    // On demand: the library does not load where the browser reports an invalid locale; the rest must go on.
    import("uplot").then(
      ({ default: Plot }) => {
        if (place.current && !isGone) chart.current = draw(Plot, place.current, latest.current, setPointed);
      },
      () => setMissing(true),
    );
    return () => {
      isGone = true;
      chart.current?.end();
    };
  }, []);
  useEffect(() => chart.current?.show(series), [series]);
  const best = series.reduce((most, minute) => (minute.total_cents > most.total_cents ? minute : most));
  const minute = series[pointed ?? series.length - 1] ?? series[series.length - 1];
  const label = t("sales.chart.label", { count: series.length, best: money(best.total_cents), at: time(best.at) });
  return html`
    <p class="sales-readout" data-testid="readout">
      <span>${pointed === null ? t("sales.chart.now") : time(minute.at)}</span>
      <strong>${money(minute.total_cents)}</strong>
      <span>${t("sales.chart.count", { count: count(minute.sales) })}</span>
    </p>
    <div class="sales-plot" ref=${place} role="img" aria-label=${label} data-testid="chart">
      ${isMissing && html`<p class="quiet">${t("chart.missing")}</p>`}
    </div>
  `;
}

/** @typedef {{ show: (series: Minute[]) => void, end: () => void }} Chart */

/**
 * @param {typeof import("uplot")} Plot
 * @param {HTMLElement} place
 * @param {Minute[]} series
 * @param {(minute: number | null) => void} onPoint
 * @returns {Chart}
 */
function draw(Plot, place, series, onPoint) {
  const plot = new Plot(options(place, onPoint), columns(series), place);
  const resized = new ResizeObserver(() => plot.setSize(sizeOf(place)));
  const repaint = () => plot.redraw(false);
  const recoloured = new MutationObserver(repaint);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  resized.observe(place);
  recoloured.observe(document.documentElement, { attributeFilter: ["data-scheme"] });
  dark.addEventListener("change", repaint);
  return {
    show: (next) => plot.setData(columns(next)),
    end() {
      dark.removeEventListener("change", repaint);
      recoloured.disconnect();
      resized.disconnect();
      plot.destroy();
    },
  };
}

/** @param {Minute[]} series @returns {[number[], number[]]} */
function columns(series) {
  return [series.map(({ at }) => Date.parse(at) / 1000), series.map(({ total_cents }) => total_cents / 100)];
}

/**
 * @param {HTMLElement} place
 * @param {(minute: number | null) => void} onPoint
 * @returns {import("uplot").Options}
 */
function options(place, onPoint) {
  const colour = (/** @type {string} */ name) => () => paint(place, name);
  const axis = {
    stroke: colour("--ink-quiet"),
    font: `12px ${getComputedStyle(place).fontFamily}`,
    ticks: { show: false },
  };
  return {
    ...sizeOf(place),
    padding: [12, 24, 0, 0],
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false }, points: { size: 8 } },
    scales: { y: { range: (_plot, _least, most) => [0, Math.max(10, most * 1.08)] } },
    axes: [
      { ...axis, size: 32, space: 64, grid: { show: false }, values: (_plot, at) => at.map(clockTime) },
      {
        ...axis,
        size: 56,
        values: (_plot, amounts) => amounts.map((amount) => (amount === null ? "" : short(amount))),
        grid: { stroke: colour("--line"), width: 1 },
      },
    ],
    series: [
      {},
      {
        stroke: colour("--pulse"),
        fill: () => `color-mix(in srgb, ${paint(place, "--pulse")} 14%, transparent)`,
        width: 2,
        points: { show: false },
      },
    ],
    hooks: { setCursor: [(plot) => onPoint(plot.cursor.idx ?? null)] },
  };
}

/** @param {number} seconds */
function clockTime(seconds) {
  return time(new Date(seconds * 1000).toISOString());
}

/** @param {HTMLElement} place */
function sizeOf(place) {
  return { width: place.clientWidth, height: place.clientHeight };
}

/** A colour of the style sheet as a canvas takes it, for the scheme (light, dark) of this very moment. */
function paint(/** @type {HTMLElement} */ place, /** @type {string} */ name) {
  return getComputedStyle(place).getPropertyValue(name);
}
