/** The dial: a hundred marks for 0 to 99, a ring that runs down to the next draw, and the number in the middle. */
import { html } from "./html.js";
import { myNumber } from "./my-number.js";
import { t } from "./page.js";
import { useStore } from "./store.js";
import { ticker } from "./ticker.js";

const MARKS = Array.from({ length: 100 }, (_, number) => number);
const LABELLED = [0, 25, 50, 75];
const RING_RADIUS = 194;
const RING_LENGTH = 2 * Math.PI * RING_RADIUS;

/** @param {{ hint?: boolean }} props `hint`: whether to say what goes on */
export function NumberDial({ hint = false }) {
  const now = useStore(myNumber);
  const isKnown = now.value !== null;
  return html`
    <div class="dial" role="group" aria-label=${t("number.label")}>
      <div class="dial-face">
        <${Face} ...${now} />
        <div class="dial-centre">
          <span class="dial-value" data-testid="value">${isKnown ? now.value : "–"}</span>
          <span class="dial-step">
            <span class="visually-hidden">${t("number.step")}</span>
            <span aria-hidden="true">+</span><span data-testid="step">${now.step}</span>
          </span>
        </div>
      </div>
      <p class="dial-role" data-testid="role" data-role=${now.role}>
        <${RoleMark} role=${now.role} />${t(`number.role.${now.role}`)}
      </p>
      ${hint && html`<p class="dial-hint">${hintFor(now)}</p>`}
    </div>
  `;
}

/** @param {import("./my-number.js").MyNumber} props */
function Face({ role, value, step, drawFrom, drawAt }) {
  const next = value === null ? null : (value + step) % 100;
  return html`
    <svg class="dial-svg" viewBox="-210 -210 420 420" aria-hidden="true">
      <circle class="dial-track" r=${RING_RADIUS} />
      <circle
        class="dial-ring"
        data-testid="ring"
        r=${RING_RADIUS}
        transform="rotate(-90)"
        stroke-dasharray=${RING_LENGTH}
        stroke-dashoffset=${RING_LENGTH * (1 - waitLeft(role, drawFrom, drawAt))}
      />
      ${MARKS.map((number) => html`<${Mark} key=${number} number=${number} isNow=${number === value} />`)}
      ${LABELLED.map((number) => html`<text class="dial-label" ...${at(number, 138)}>${number}</text>`)}
      ${next !== null && html`<circle class="dial-next" r="4" ...${centreAt(next, 181.5)} />`}
    </svg>
  `;
}

/** @param {{ number: number, isNow: boolean }} props */
function Mark({ number, isNow }) {
  const isLong = number % 25 === 0;
  const isMiddle = number % 5 === 0;
  return html`<line
    class=${isNow ? "dial-mark is-now" : isMiddle ? "dial-mark is-fifth" : "dial-mark"}
    y1=${isNow ? -176 : -172}
    y2=${isNow ? -146 : isLong ? -154 : isMiddle ? -158 : -162}
    transform=${`rotate(${number * 3.6})`}
  />`;
}

/** @param {{ role: import("./my-number.js").Role }} props */
function RoleMark({ role }) {
  return html`<svg class="role-mark" viewBox="0 0 12 12" aria-hidden="true">
    ${role === "driver" && html`<path d="M3 1.5v9l7.5-4.5z" />`}
    ${role === "mirror" && html`<path d="M1 4h7V1l4 5-4 5V8H1z" />`}
    ${role === "waiting" && html`<path d="M2.5 1.5h2.5v9H2.5zM7 1.5h2.5v9H7z" />`}
  </svg>`;
}

/** @param {import("./my-number.js").MyNumber} now */
function hintFor({ unsaved, kind, step }) {
  if (unsaved > 1) return t("number.unsaved");
  if (kind) return t(`number.drawn.${kind}`, { step });
  return t("number.hint", { step });
}

/**
 * The part of the wait that is left, 0 to 1. Only the driving tab draws, so only it knows.
 * @param {import("./my-number.js").Role} role
 * @param {number} from
 * @param {number} until
 */
function waitLeft(role, from, until) {
  if (role !== "driver" || until <= from) return 0;
  return Math.min(1, Math.max(0, (until - ticker.now()) / (until - from)));
}

/** @param {number} number @param {number} radius */
function polar(number, radius) {
  const angle = (number / 100) * 2 * Math.PI;
  return { x: Math.sin(angle) * radius, y: -Math.cos(angle) * radius };
}

/** @param {number} number @param {number} radius */
const at = polar;

/** @param {number} number @param {number} radius */
function centreAt(number, radius) {
  const { x, y } = polar(number, radius);
  return { cx: x, cy: y };
}
