/** Gateways as cards with the course of their events, services and endpoints as tables. */
import { bytes, count, duration, ms, rate } from "./formats.js";
import { html } from "./html.js";
import { t } from "./page.js";

const SILENT_S = 5;
const ENDPOINTS = 20;

/**
 * @typedef {import("./ops-feed.js").CallFigures} CallFigures
 * @typedef {import("./ops-feed.js").Process} Process
 */

/** @param {{ processes: Process[] }} props */
export function Gateways({ processes }) {
  return html`
    <section class="ops-gateways" aria-labelledby="ops-gateways">
      <h2 id="ops-gateways">${t("ops.gateways")}</h2>
      ${processes.map((process) => html`<${Gateway} key=${process.report.instance} process=${process} />`)}
    </section>
  `;
}

/** @param {{ process: Process }} props */
function Gateway({ process }) {
  const { report, history } = process;
  const { figures } = report;
  const slowest = Math.max(0, ...report.calls.map((call) => call.p99_ms));
  /** @type {[string, string][]} */
  const shown = [
    ["connections", count(figures.connections ?? 0)],
    ["in", rate(figures.received_per_s ?? 0)],
    ["out", rate(figures.sent_per_s ?? 0)],
    ["p99", report.calls.length ? ms(slowest) : "–"],
    ["lag", ms(report.loop_lag_ms)],
    ["outbox", bytes(figures.outbox_bytes ?? 0)],
    ["slow", count(figures.slow_closes ?? 0)],
    ["resyncs", count(figures.resyncs ?? 0)],
    ["memory", bytes(report.memory_bytes)],
    ["up", duration(Date.now() / 1000 - report.started_ms / 1000)],
  ];
  return html`
    <article class="panel ops-gateway" data-testid="gateway">
      <header>
        <h3>${report.instance}</h3>
        <${State} process=${process} />
        <span class="quiet">${report.version}</span>
      </header>
      <${Sparkline} values=${history} />
      <dl class="ops-figures">
        ${shown.map(
          ([name, value]) => html`
            <div key=${name}><dt>${t(`ops.gateway.${name}`)}</dt><dd data-testid=${`gateway-${name}`}>${value}</dd></div>
          `,
        )}
      </dl>
    </article>
  `;
}

/** What was not heard lately says so instead of how it stood. @param {{ process: Process }} props */
function State({ process }) {
  const { report, age_s } = process;
  const wrong = report.checks.filter(({ answer }) => answer !== "ok" && answer !== "standby");
  if (age_s > SILENT_S) {
    return html`<span class="ops-state" data-state="silent">${t("ops.state.silent", { age: duration(age_s) })}</span>`;
  }
  return html`
    <span class="ops-state" data-state=${report.status} title=${wrong.map(({ answer }) => answer).join("; ")}>
      ${t(`ops.state.${report.status}`)}
    </span>
  `;
}

/** @param {{ values: number[] }} props */
function Sparkline({ values }) {
  const most = Math.max(1, ...values);
  const step = 100 / Math.max(1, values.length - 1);
  const points = values.map((value, index) => `${(index * step).toFixed(2)},${(23 - (21 * value) / most).toFixed(2)}`);
  const latest = values[values.length - 1] ?? 0;
  const label = t("ops.sparkline", { now: rate(latest), most: rate(Math.max(0, ...values)) });
  return html`
    <svg class="ops-sparkline" viewBox="0 0 100 24" preserveAspectRatio="none" role="img" aria-label=${label}>
      <polyline points=${points.length > 1 ? points.join(" ") : `0,${points[0]?.split(",")[1] ?? 23} 100,${points[0]?.split(",")[1] ?? 23}`} />
    </svg>
  `;
}

/** @param {{ processes: Process[] }} props */
export function Services({ processes }) {
  return html`
    <section class="panel ops-services" aria-labelledby="ops-services">
      <h2 id="ops-services">${t("ops.services")}</h2>
      <div class="ops-scroll" role="region" aria-label=${t("ops.services")} tabindex="0">
        <table class="ops-table">
          <thead>
            <tr>
              <th scope="col">${t("ops.service")}</th>
              <th scope="col">${t("ops.service.state")}</th>
              <th scope="col" class="is-number">${t("ops.service.shards")}</th>
              <th scope="col" class="is-number">${t("ops.service.queue")}</th>
              <th scope="col" class="is-number">${t("ops.service.calls")}</th>
              <th scope="col" class="is-number">${t("ops.service.memory")}</th>
              <th scope="col" class="is-number">${t("ops.gateway.up")}</th>
              <th scope="col" class="is-number">${t("ops.service.instance")}</th>
            </tr>
          </thead>
          <tbody>
            ${processes.map(
              (process) => html`<${ServiceRow} key=${process.report.instance} process=${process} />`,
            )}
          </tbody>
        </table>
      </div>
    </section>
  `;
}

/** @param {{ process: Process }} props */
function ServiceRow({ process }) {
  const { report } = process;
  const calls = report.calls.reduce((sum, call) => sum + call.per_s, 0);
  return html`
    <tr data-testid="service">
      <th scope="row">${report.service}</th>
      <td><${State} process=${process} /></td>
      <td class="is-number">${`${count(report.shards.length)} / ${count(report.shard_count)}`}</td>
      <td class="is-number">${count(report.figures.in_hand ?? 0)}</td>
      <td class="is-number">${rate(calls)}</td>
      <td class="is-number">${bytes(report.memory_bytes)}</td>
      <td class="is-number">${duration(Date.now() / 1000 - report.started_ms / 1000)}</td>
      <td class="is-number ops-instance">${report.instance}</td>
    </tr>
  `;
}

/** At the services: what a gateway and the bus add is in the gateways' own. @param {{ processes: Process[] }} props */
export function Endpoints({ processes }) {
  const calls = processes
    .filter(({ report }) => report.service !== "gateway")
    .flatMap(({ report }) => report.calls.map((call) => ({ ...call, instance: report.instance })))
    .sort((one, other) => other.per_s - one.per_s);
  return html`
    <section class="panel ops-endpoints" aria-labelledby="ops-endpoints">
      <h2 id="ops-endpoints">${t("ops.endpoints")}</h2>
      ${
        calls.length === 0
          ? html`<p class="quiet">${t("ops.endpoints.none")}</p>`
          : html`
              <div class="ops-scroll" role="region" aria-label=${t("ops.endpoints")} tabindex="0">
                <table class="ops-table">
                  <thead>
                    <tr>
                      <th scope="col">${t("ops.endpoint")}</th>
                      <th scope="col" class="is-number">${t("ops.service.calls")}</th>
                      <th scope="col" class="is-number">${t("ops.endpoint.failed")}</th>
                      <th scope="col" class="is-number">p50</th>
                      <th scope="col" class="is-number">p99</th>
                    </tr>
                  </thead>
                  <tbody>
                    ${calls.slice(0, ENDPOINTS).map((call) => html`<${EndpointRow} key=${`${call.instance} ${call.endpoint}`} call=${call} />`)}
                  </tbody>
                </table>
              </div>
            `
      }
    </section>
  `;
}

/** @param {{ call: CallFigures }} props */
function EndpointRow({ call }) {
  return html`
    <tr data-testid="endpoint">
      <th scope="row">${call.endpoint}</th>
      <td class="is-number">${rate(call.per_s)}</td>
      <td class=${call.failed_per_s > 0 ? "is-number is-bad" : "is-number"}>${rate(call.failed_per_s)}</td>
      <td class="is-number">${ms(call.p50_ms)}</td>
      <td class="is-number">${ms(call.p99_ms)}</td>
    </tr>
  `;
}
