/** The parts of the sales page. All of them show the same summary, so their figures agree. */
import { useState } from "preact/hooks";

import { count, exactTime, money, time } from "./formats.js";
import { html } from "./html.js";
import { hasText, t } from "./page.js";
import { SalesChart } from "./sales-chart.js";
import { PERIODS, choosePeriod, pause, resume, sales } from "./sales-feed.js";
import { useStore } from "./store.js";

const ROWS = 50;
const PRODUCTS = 10;

/**
 * @typedef {import("./sales-figures.js").Figures} Figures
 * @typedef {import("./sales-figures.js").Minute} Minute
 * @typedef {import("./sales-figures.js").Product} Product
 * @typedef {import("./sales-figures.js").Sale} Sale
 */

export function SalesPage() {
  const { summary, minutes, isPaused, held, fault } = useStore(sales);
  return html`
    <${Controls} minutes=${minutes} isPaused=${isPaused} held=${held} />
    ${fault && html`<p class="sales-fault" role="alert">${fault}</p>`}
    ${!summary && !fault && html`<p class="quiet" role="status">${t("sales.loading")}</p>`}
    ${summary?.latest.length === 0 && html`<${Waiting} />`}
    ${
      summary &&
      summary.latest.length > 0 &&
      html`
        <${Totals} totals=${summary.totals} />
        <section class="panel sales-minutes" aria-labelledby="sales-minutes">
          <h2 id="sales-minutes">${t("sales.minutes")}</h2>
          <${SalesChart} series=${summary.series} />
          <${MinuteTable} series=${summary.series} totals=${summary.totals} />
        </section>
        <section class="panel sales-products" aria-labelledby="sales-products">
          <h2 id="sales-products">${t("sales.products")}</h2>
          <${Products} rows=${summary.products} />
        </section>
        <section class="panel sales-latest" aria-labelledby="sales-latest">
          <h2 id="sales-latest">${t("sales.latest")}</h2>
          <${Latest} sales=${summary.latest} />
        </section>
      `
    }
  `;
}

/** @param {{ minutes: number, isPaused: boolean, held: number }} props */
function Controls({ minutes, isPaused, held }) {
  return html`
    <div class="sales-controls">
      <fieldset class="choice">
        <legend class="visually-hidden">${t("sales.period")}</legend>
        ${PERIODS.map(
          (period) => html`
            <label key=${period}>
              <input
                type="radio"
                name="period"
                value=${period}
                checked=${period === minutes}
                onChange=${() => choosePeriod(period)}
              /><span>${t(`sales.period.${period}`)}</span>
            </label>
          `,
        )}
      </fieldset>
      <button class=${isPaused ? "button sales-pause is-paused" : "button sales-pause"} onClick=${isPaused ? resume : pause}>
        <svg viewBox="0 0 12 12" aria-hidden="true">
          <path d=${isPaused ? "M2.5 1v10l8-5z" : "M2 1h3v10H2zM7 1h3v10H7z"} />
        </svg>
        ${t(isPaused ? "sales.resume" : "sales.pause")}
      </button>
      <p class="quiet sales-held" role="status" data-testid="held">
        ${isPaused && (held ? t("sales.paused.held", { count: count(held) }) : t("sales.paused"))}
      </p>
    </div>
  `;
}

function Waiting() {
  return html`
    <section class="panel sales-waiting" data-testid="waiting">
      <svg viewBox="0 0 240 40" aria-hidden="true"><path d="M0 20h92l8-14 12 28 10-20 6 6h112" /></svg>
      <h2>${t("sales.waiting")}</h2>
      <p class="quiet">${t("sales.waiting.how")}</p>
    </section>
  `;
}

/** @param {{ totals: Figures }} props */
function Totals({ totals }) {
  const average = totals.sales ? totals.total_cents / totals.sales : 0;
  /** @type {[string, string][]} */
  const figures = [
    ["revenue", money(totals.total_cents)],
    ["count", count(totals.sales)],
    ["items", count(totals.quantity)],
    ["average", money(average)],
  ];
  return html`
    <dl class="sales-totals">
      ${figures.map(
        ([name, figure]) => html`
          <div class="panel" key=${name}>
            <dt>${t(`sales.total.${name}`)}</dt>
            <dd data-testid=${`total-${name}`}>${figure}</dd>
          </div>
        `,
      )}
    </dl>
  `;
}

/** The chart's figures, for those who cannot see it or want to know exactly. @param {{ series: Minute[], totals: Figures }} props */
function MinuteTable({ series, totals }) {
  const [isOpen, setOpen] = useState(false);
  const minutes = isOpen ? series.filter((minute) => minute.sales > 0).reverse() : [];
  return html`
    <details onToggle=${(/** @type {Event} */ event) => setOpen(/** @type {HTMLDetailsElement} */ (event.currentTarget).open)}>
      <summary>${t("sales.figures")}</summary>
      <div class="sales-scroll" role="region" aria-label=${t("sales.figures")} tabindex="0">
        <table class="sales-table" data-testid="minutes">
          <thead>
            <tr>
              <th scope="col">${t("sales.column.minute")}</th>
              <th scope="col" class="is-number">${t("sales.total.count")}</th>
              <th scope="col" class="is-number">${t("sales.total.items")}</th>
              <th scope="col" class="is-number">${t("sales.total.revenue")}</th>
            </tr>
          </thead>
          <tbody>
            ${minutes.map(
              (minute) => html`
                <tr key=${minute.at}>
                  <th scope="row">${time(minute.at)}</th>
                  <td class="is-number">${count(minute.sales)}</td>
                  <td class="is-number">${count(minute.quantity)}</td>
                  <td class="is-number">${money(minute.total_cents)}</td>
                </tr>
              `,
            )}
          </tbody>
          <tfoot>
            <tr>
              <th scope="row">${t("sales.sum")}</th>
              <td class="is-number">${count(totals.sales)}</td>
              <td class="is-number">${count(totals.quantity)}</td>
              <td class="is-number">${money(totals.total_cents)}</td>
            </tr>
          </tfoot>
        </table>
      </div>
    </details>
  `;
}

/** @param {{ rows: Product[] }} props */
function Products({ rows }) {
  const most = Math.max(1, ...rows.map((row) => row.total_cents));
  const more = rows.length - PRODUCTS;
  if (rows.length === 0) return html`<p class="quiet">${t("sales.none")}</p>`;
  return html`
    <ol class="sales-bars">
      ${rows.slice(0, PRODUCTS).map(
        (row) => html`
          <li key=${`${row.product}\n${row.category}`} data-testid="product">
            <span class="sales-bar-name" title=${row.category}>${row.product || t("sales.others")}</span>
            <span class="sales-bar-money">${money(row.total_cents)}</span>
            <svg viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">
              <rect width=${Math.max(0.5, (100 * row.total_cents) / most)} height="6" />
            </svg>
          </li>
        `,
      )}
    </ol>
    ${more > 0 && html`<p class="quiet sales-more">${t("sales.more", { count: more })}</p>`}
  `;
}

/** @param {{ sales: Sale[] }} props */
function Latest({ sales }) {
  const [first] = useState(() => new Set(sales.map(({ id }) => id))); // only what comes later is marked as new
  return html`
    <div class="sales-scroll" role="region" aria-label=${t("sales.latest")} tabindex="0">
      <table class="sales-table sales-rows">
        <thead>
          <tr>
            <th scope="col">${t("sales.column.time")}</th>
            <th scope="col">${t("sales.column.product")}</th>
            <th scope="col">${t("sales.column.store")}</th>
            <th scope="col">${t("sales.column.seller")}</th>
            <th scope="col">${t("sales.column.payment")}</th>
            <th scope="col" class="is-number">${t("sales.column.quantity")}</th>
            <th scope="col" class="is-number">${t("sales.column.total")}</th>
          </tr>
        </thead>
        <tbody>
          ${sales
            .slice(-ROWS)
            .reverse()
            .map((sale) => html`<${LatestRow} key=${sale.id} ...${sale} isNew=${!first.has(sale.id)} />`)}
        </tbody>
      </table>
    </div>
  `;
}

/** @param {Sale & { isNew: boolean }} props */
function LatestRow({ isNew, id, sold_at, product, store, seller, payment, quantity, total_cents }) {
  const isKnown = hasText(`sales.payment.${payment}`); // a source may name others
  return html`
    <tr class=${isNew ? "is-new" : ""} data-testid="sale" data-id=${id}>
      <td class="sales-time">${exactTime(sold_at)}</td>
      <th scope="row" class="sales-product">${product}</th>
      <td class="sales-store">${store}</td>
      <td class="sales-seller">${seller}</td>
      <td class="sales-payment">${isKnown ? t(`sales.payment.${payment}`) : payment}</td>
      <td class="is-number sales-quantity">${count(quantity)}</td>
      <td class="is-number sales-money">${money(total_cents)}</td>
    </tr>
  `;
}
