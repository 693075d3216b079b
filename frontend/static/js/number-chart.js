/** The last minute of the own number, as a chart. */
import { useEffect, useRef, useState } from "preact/hooks";

import { html } from "./html.js";
import { myNumber } from "./my-number.js";
import { t } from "./page.js";

const MINUTE_S = 60;

export function NumberChart() {
  const place = useRef(/** @type {HTMLDivElement | null} */ (null));
  const [isMissing, setMissing] = useState(false);
  useEffect(() => {
    let stop = () => {};
    let isGone = false;
    // On demand: the library does not even load where the browser reports an invalid locale, and the rest of the
    // page must not go down with it.
    import("uplot").then(
      ({ default: Plot }) => {
        if (place.current && !isGone) stop = draw(Plot, place.current);
      },
      () => setMissing(true),
    );
    return () => {
      isGone = true;
      stop();
    };
  }, []);
  return html`
    <div class="chart" ref=${place} role="img" aria-label=${t("chart.label")}>
      ${isMissing && html`<p class="quiet">${t("chart.missing")}</p>`}
    </div>
  `;
}

/**
 * @param {typeof import("uplot")} Plot
 * @param {HTMLElement} place
 * @returns {() => void} ends it
 */
function draw(Plot, place) {
  const points = recordedMinute();
  const plot = new Plot(options(place), points.columns(), place);
  const show = () => {
    const now = seconds();
    plot.batch(() => {
      plot.setData(points.columns(), false);
      plot.setScale("x", { min: now - MINUTE_S, max: now });
    });
  };
  show();
  const stopFollowing = myNumber.follow(({ value }) => {
    points.add(value);
    show();
  });
  const resized = new ResizeObserver(() => plot.setSize(sizeOf(place)));
  resized.observe(place);
  return () => {
    stopFollowing();
    resized.disconnect();
    plot.destroy();
  };
}

/** Values with their times, none older than a minute; a repeated value is no point of its own. */
function recordedMinute() {
  /** @type {number[]} */
  const times = [];
  /** @type {number[]} */
  const values = [];
  return {
    /** @param {number | null} value */
    add(value) {
      if (value === null || value === values.at(-1)) return;
      times.push(seconds());
      values.push(value);
      while (times[0] < seconds() - MINUTE_S) {
        times.shift();
        values.shift();
      }
    },
    /** @returns {[number[], number[]]} */
    columns: () => [times, values],
  };
}

/**
 * @param {HTMLElement} place
 * @returns {import("uplot").Options}
 */
function options(place) {
  const colour = (/** @type {string} */ name) => () => paint(place, name);
  const font = `12px ${getComputedStyle(place).fontFamily}`;
  return {
    ...sizeOf(place),
    padding: [12, 8, 0, 0],
    legend: { show: false },
    cursor: { show: false },
    scales: { x: { time: false }, y: { range: [0, 100] } },
    axes: [
      {
        stroke: colour("--ink-quiet"),
        font,
        size: 32,
        grid: { show: false },
        ticks: { show: false },
        splits: ({ scales }) => [45, 30, 15].map((ago) => (scales.x.max ?? 0) - ago),
        values: () => ["−45 s", "−30 s", "−15 s"],
      },
      {
        stroke: colour("--ink-quiet"),
        font,
        size: 34,
        splits: () => [0, 25, 50, 75, 100],
        values: () => ["0", "25", "50", "75", ""],
        grid: { stroke: colour("--line"), width: 1 },
        ticks: { show: false },
      },
    ],
    series: [
      {},
      {
        stroke: colour("--pulse-faint"),
        width: 1,
        points: { show: true, size: 6, width: 0, fill: colour("--pulse") },
      },
    ],
  };
}

/** @param {HTMLElement} place */
function sizeOf(place) {
  return { width: place.clientWidth, height: place.clientHeight };
}

/** A colour of the style sheet as a canvas takes it, for the scheme (light, dark) of this very moment. */
function paint(/** @type {HTMLElement} */ place, /** @type {string} */ name) {
  return getComputedStyle(place).getPropertyValue(name);
}

function seconds() {
  return performance.now() / 1000;
}
