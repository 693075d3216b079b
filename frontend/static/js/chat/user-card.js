/** A person's card: the name; to themselves, also what nobody else sees. */
import { useEffect, useRef, useState } from "preact/hooks";

import { get } from "../api.js";
import { html } from "../html.js";
import { t, user } from "../page.js";
import { createStore, useStore } from "../store.js";
import { Icon } from "./icons.js";
import { Initial } from "./person.js";
import { reasonOf } from "./reason.js";

/** @typedef {import("./log-book.js").Member} Member */

/** @type {{ who: Member | null }} */
const NONE = { who: null };
const card = createStore(NONE);

/** @param {Member} who */
export const showCard = (who) => card.set({ who });

export function UserCard() {
  const { who } = useStore(card);
  const place = useRef(/** @type {HTMLDialogElement | null} */ (null));
  useEffect(() => {
    if (who && !place.current?.open) place.current?.showModal();
  }, [who]);
  /** A click beside the card is one on the dialog itself. @param {MouseEvent} event */
  const clicked = (event) => event.target === place.current && place.current?.close();
  return html`
    <dialog
      ref=${place} class="card" aria-labelledby="card-name" data-testid="card"
      onClick=${clicked} onClose=${() => card.set(NONE)}
    >
      ${who && html`<${Content} who=${who} onClose=${() => place.current?.close()} />`}
    </dialog>
  `;
}

/** @param {{ who: Member, onClose: () => void }} props */
function Content({ who, onClose }) {
  const isMe = who.id === user?.id;
  return html`
    <div class="card-content">
      <button class="icon-button card-close" aria-label=${t("chat.card.close")} onClick=${onClose}>
        <${Icon} name="close" />
      </button>
      <${Initial} who=${who} />
      <h2 id="card-name">${who.name}</h2>
      ${isMe ? html`<${Own} />` : html`<p class="quiet">${t("chat.card.other")}</p>`}
    </div>
  `;
}

/** @typedef {{ username: string, email: string }} Profile */

function Own() {
  const [profile, setProfile] = useState(/** @type {Profile | null} */ (null));
  const [fault, setFault] = useState("");
  useEffect(() => {
    get("/api/auth/me").then(setProfile, (error) => setFault(reasonOf(error)));
  }, []);
  return html`
    <p class="card-you">${t("chat.card.you")}</p>
    ${fault && html`<p role="alert">${fault}</p>`}
    ${profile && html`
      <dl class="card-facts">
        <dt>${t("chat.card.username")}</dt><dd data-testid="card-username">${profile.username}</dd>
        <dt>${t("chat.card.email")}</dt><dd data-testid="card-email">${profile.email}</dd>
      </dl>
      <p class="quiet">${t("chat.card.private")}</p>
    `}
  `;
}
