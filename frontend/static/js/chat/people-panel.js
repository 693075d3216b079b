/** Who is in the room. */
import { useEffect, useMemo, useRef } from "preact/hooks";

import { html } from "../html.js";
import { lang, t, user } from "../page.js";
import { Initial } from "./person.js";
import { showCard } from "./user-card.js";

const MOST_ROWS = 200;
const order = new Intl.Collator(lang, { sensitivity: "base", numeric: true });

/**
 * Beside the room, or above it where the page is narrow and `isOpen`: then it takes the focus.
 * @param {{ roster: import("./roster.js").Roster, isOpen: boolean, onClose: () => void }} props
 */
export function PeoplePanel({ roster, isOpen, onClose }) {
  const close = useRef(/** @type {HTMLButtonElement | null} */ (null));
  useEffect(() => {
    if (isOpen) close.current?.focus();
  }, [isOpen]);
  const list = useMemo(() => html`<${People} roster=${roster} />`, [roster]); // it is not looked at with each message
  return html`
    <aside class="chat-people" id="chat-people" aria-label=${t("chat.people")}>
      <div class="chat-people-head">
        <h2>${t("chat.people")} <span class="quiet" data-testid="people-count">${roster.members.length}</span></h2>
        <button ref=${close} class="button is-quiet chat-people-close" onClick=${onClose}>
          ${t("chat.people.close")}
        </button>
      </div>
      ${list}
    </aside>
  `;
}

/** @param {{ roster: import("./roster.js").Roster }} props */
function People({ roster: { members, typists } }) {
  const me = user?.id;
  const others = members.filter(({ id }) => id !== me).sort((a, b) => order.compare(a.name, b.name));
  const sorted = [...members.filter(({ id }) => id === me), ...others];
  const typing = new Set(typists.map(({ id }) => id));
  return html`
    <ul>
      ${sorted.slice(0, MOST_ROWS).map((who) => html`
        <li key=${who.id}>
          <button class="member" data-testid="member" onClick=${() => showCard(who)}>
            <${Initial} who=${who} />
            <span class="member-name">${who.name}</span>
            ${who.id === me && html`<span class="member-mark">${t("chat.you")}</span>`}
            ${typing.has(who.id) && html`<span class="dots" aria-hidden="true"><i></i><i></i><i></i></span>`}
          </button>
        </li>
      `)}
    </ul>
    ${members.length > MOST_ROWS && html`
      <p class="quiet">${t("chat.people.more", { count: members.length - MOST_ROWS })}</p>
    `}
  `;
}
