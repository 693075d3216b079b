/** The rooms: how many are in each, and how much is unread; on a narrow page a strip above the messages. */
import { html } from "../html.js";
import { t, user as me } from "../page.js";
import { useStore } from "../store.js";
import { chat, choose, reading, unread } from "./conversation.js";
import { Initial } from "./person.js";
import { outbox } from "./sending.js";
import { showCard } from "./user-card.js";

const MOST_SHOWN = 99;

export function RoomList() {
  const now = useStore(chat);
  const { read } = useStore(reading.store);
  const { entries } = useStore(outbox.entries);
  return html`
    <nav class="chat-rooms" aria-label=${t("chat.rooms")}>
      <h2>${t("chat.rooms")}</h2>
      <ul>
        ${now.rooms.map((room) => html`
          <${RoomButton}
            key=${room.id} room=${room} isHere=${room.id === now.room} members=${membersOf(now, room)}
            unread=${unread(now, room, read)} unsent=${entries.filter((entry) => entry.room === room.id).length}
          />
        `)}
      </ul>
      ${me && html`
        <button class="chat-me" onClick=${() => me && showCard(me)} data-testid="me">
          <${Initial} who=${me} /><span class="chat-me-name">${me.name}</span>
          <span class="visually-hidden">${t("chat.card.open")}</span>
        </button>
      `}
    </nav>
  `;
}

/**
 * The list of rooms is a few seconds old; who is in this one is known.
 * @param {import("./room-state.js").Chat} now @param {import("./room-state.js").Room} room
 */
function membersOf({ room, phase, roster }, { id, members }) {
  return id === room && phase === "in" ? roster.members.length : members;
}

/**
 * @typedef {import("./room-state.js").Room} Room
 * @param {{ room: Room, isHere: boolean, members: number, unread: number, unsent: number }} props
 */
function RoomButton({ room, isHere, members, unread: waiting, unsent }) {
  return html`
    <li>
      <button
        class="room" aria-current=${isHere ? "true" : undefined} data-testid="room" data-room=${room.id}
        onClick=${() => choose(room.id)}
      >
        <span class="room-name">${room.name}</span>
        ${unsent > 0 && !isHere && html`<span class="room-unsent">${t("chat.unsent", { count: unsent })}</span>`}
        ${waiting > 0
          ? html`<${Count} look="badge" count=${waiting} words=${t("chat.unread-count", { count: waiting })} />`
          : html`<${Count} look="room-members" count=${members} words=${t("chat.members", { count: members })} />`}
      </button>
    </li>
  `;
}

/**
 * A number to look at, and to hear with what it counts; of nothing, no number is shown.
 * @param {{ look: "badge" | "room-members", count: number, words: string }} props
 */
function Count({ look, count, words }) {
  const shown = count > MOST_SHOWN ? `${MOST_SHOWN}+` : count || "";
  return html`
    <span class=${look} title=${words} data-testid=${look}>
      <span aria-hidden="true">${shown}</span><span class="visually-hidden">${words}</span>
    </span>
  `;
}
