/** The parts of the ops page: a sentence first, then what is to be looked after, then the figures. */
import { bytes, count, duration, exactTime, rate } from "./formats.js";
import { html } from "./html.js";
import { ops } from "./ops-feed.js";
import { Endpoints, Gateways, Services } from "./ops-processes.js";
import { t } from "./page.js";
import { useStore } from "./store.js";

const STALE_S = 6;

/**
 * @typedef {import("./ops-feed.js").Level} Level
 * @typedef {import("./ops-feed.js").Problem} Problem
 * @typedef {import("./ops-feed.js").Process} Process
 * @typedef {import("./ops-feed.js").RedisFigures} RedisFigures
 * @typedef {import("./ops-feed.js").Source} Source
 * @typedef {import("./ops-feed.js").Status} Status
 */

export function OpsPage() {
  const { status, ageS, fault, source } = useStore(ops);
  if (!status) return html`<p class="quiet" role="status">${fault || t("ops.loading")}</p>`;
  const isStale = ageS >= STALE_S;
  return html`
    <${Headline} status=${status} ageS=${ageS} isStale=${isStale} />
    <div class=${isStale ? "ops-body is-stale" : "ops-body"}>
      <${Gateways} processes=${status.processes.filter(({ report }) => report.service === "gateway")} />
      <${Services} processes=${status.processes.filter(({ report }) => report.service !== "gateway")} />
      <${Endpoints} processes=${status.processes} />
      <div class="ops-side">
        <${Redis} redis=${status.redis} />
        <${Disks} processes=${status.processes} />
      </div>
      ${source && html`<${SourcePanel} source=${source} />`}
    </div>
  `;
}

/** @param {{ status: Status, ageS: number, isStale: boolean }} props */
function Headline({ status, ageS, isStale }) {
  const level = isStale ? "stale" : status.level;
  return html`
    <section class="panel ops-headline" data-level=${level} data-testid="headline">
      <${Mark} level=${level} />
      <div>
        <h2 role="status">${isStale ? t("ops.sentence.stale", { age: duration(ageS) }) : sentence(status)}</h2>
        <p class="quiet">
          ${isStale ? sentence(status) : counts(status)}${" "}
          <time datetime=${status.at}>${t("ops.as-of", { time: exactTime(status.at) })}</time>
        </p>
        ${
          status.problems.length > 0 &&
          html`
            <ul class="ops-problems">
              ${status.problems.map(
                (problem) => html`
                  <li key=${`${problem.code} ${problem.subject} ${problem.detail}`} data-testid="problem">
                    <${Mark} level=${problem.level} />
                    <span>${said(problem)}</span>
                  </li>
                `,
              )}
            </ul>
          `
        }
      </div>
    </section>
  `;
}

/** A form and a word beside the colour. @param {{ level: Level | "stale" }} props */
function Mark({ level }) {
  const paths = {
    ok: "M3.5 8.5 6.5 11.5 12.5 4.5",
    warning: "M8 3.5v6M8 12.2v.3",
    critical: "M4.5 4.5l7 7M11.5 4.5l-7 7",
    stale: "M8 4v4.5l3 2",
  };
  return html`
    <span class="ops-mark" data-level=${level}>
      <svg viewBox="0 0 16 16" aria-hidden="true"><path d=${paths[level]} /></svg>
      <span class="visually-hidden">${t(`ops.level.${level}`)}</span>
    </span>
  `;
}

/** @param {Status} status */
function sentence(status) {
  const number = status.problems.length;
  if (status.level === "ok") return t("ops.sentence.ok");
  if (status.level === "warning" && number === 1) return t("ops.sentence.warning.one");
  if (status.level === "warning") return t("ops.sentence.warning", { number });
  return t("ops.sentence.critical");
}

/** @param {Status} status */
function counts(status) {
  const gateways = status.processes.filter(({ report }) => report.service === "gateway");
  const services = new Set(status.processes.map(({ report }) => report.service));
  services.delete("gateway");
  const connections = gateways.reduce((sum, { report }) => sum + (report.figures.connections ?? 0), 0);
  return t("ops.counts", {
    connections: count(connections),
    gateways: count(gateways.length),
    services: count(services.size),
  });
}

/** @param {Problem} problem */
function said({ code, subject, detail }) {
  return t(`ops.problem.${code}`, { subject, detail: code === "disk" ? bytes(Number(detail)) : detail });
}

/** @param {{ redis: RedisFigures | null }} props */
function Redis({ redis }) {
  if (!redis) return null;
  const memory = bytes(redis.memory_bytes);
  /** @type {[string, string][]} */
  const figures = [
    ["memory", redis.max_memory_bytes ? `${memory} / ${bytes(redis.max_memory_bytes)}` : memory],
    ["clients", count(redis.clients)],
    ["commands", rate(redis.per_s)],
    ["up", duration(redis.up_s)],
  ];
  return html`
    <section class="panel ops-redis" aria-labelledby="ops-redis">
      <h2 id="ops-redis">Redis <span class="quiet">${redis.version}</span></h2>
      <dl class="ops-figures">
        ${figures.map(([name, value]) => html`<div key=${name}><dt>${t(`ops.redis.${name}`)}</dt><dd>${value}</dd></div>`)}
      </dl>
    </section>
  `;
}

/** @param {{ processes: Process[] }} props */
function Disks({ processes }) {
  const hosts = [...new Set(processes.map(({ report }) => report.host))].sort();
  return html`
    <section class="panel ops-disks" aria-labelledby="ops-disks">
      <h2 id="ops-disks">${t("ops.disks")}</h2>
      ${hosts.map((host) => {
        const reports = processes.map(({ report }) => report).filter((report) => report.host === host);
        const least = reports.reduce((one, other) => (other.disk_free_bytes < one.disk_free_bytes ? other : one));
        const files = new Map(reports.flatMap((report) => report.files.map((file) => [file.name, file.size_bytes])));
        return html`
          <div class="ops-disk" key=${host}>
            <p>
              <strong>${host}</strong>${" "}
              <span class="quiet">
                ${t("ops.disk.free", { free: bytes(least.disk_free_bytes), total: bytes(least.disk_total_bytes) })}
              </span>
            </p>
            <svg viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true">
              <rect
                width=${least.disk_total_bytes ? 100 - (100 * least.disk_free_bytes) / least.disk_total_bytes : 0}
                height="4"
              />
            </svg>
            <ul>
              ${[...files].sort().map(([name, size]) => html`<li key=${name}><span>${name}</span><span>${bytes(size)}</span></li>`)}
            </ul>
          </div>
        `;
      })}
    </section>
  `;
}

/** @param {{ source: Source }} props */
function SourcePanel({ source }) {
  return html`
    <section class="panel ops-source" aria-labelledby="ops-source" data-testid="source">
      <h2 id="ops-source">${t("ops.source")}</h2>
      <p class="quiet ops-path">${source.path}</p>
      <p>
        ${t("ops.source.counts", {
          line: count(source.line),
          records: count(source.records),
          duplicates: count(source.duplicates),
          broken: count(source.broken),
        })}
      </p>
      ${
        source.broken_lines.length > 0 &&
        html`
          <ul class="ops-lines">
            ${source.broken_lines.map(
              (broken) => html`
                <li key=${`${broken.line} ${broken.at}`} data-testid="broken-line">
                  <p><strong>${t("ops.source.line", { line: count(broken.line) })}</strong> ${broken.reason}</p>
                  <code>${broken.excerpt}</code>
                </li>
              `,
            )}
          </ul>
        `
      }
    </section>
  `;
}

