/** The rooms: how many are in each, and how much is unread; on a narrow page a strip above the messages. */
import { html } from "../html.js";
import { t, user as me } from "../page.js";
import { useStore } from "../store.js";
import { chat, choose, reading, unreadIn } from "./conversation.js";
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
            key=${room.id} room=${room} isHere=${room.id === now.room} members=${room.id === now.room && now.phase === "in" ? now.roster.members.length : room.members}
            unread=${unreadIn(now, room, read)} unsent=${entries.filter((entry) => entry.room === room.id).length}
          />
        `)}
      </ul>
      ${me && html`
        <button class="chat-me" onClick=${() => me && showCard(me)} data-testid="me">
          <${Initial} who=${me} /><span class="chat-me-name">${me.name}</span><span class="visually-hidden">${t("chat.card.open")}</span>
        </button>
      `}
    </nav>
  `;
}

/** @param {{ room: import("./conversation.js").Room, isHere: boolean, members: number, unread: number, unsent: number }} props */
function RoomButton({ room, isHere, members, unread, unsent }) {
  return html`
    <li>
      <button class="room" aria-current=${isHere ? "true" : undefined} data-testid="room" data-room=${room.id} onClick=${() => choose(room.id)}>
        <span class="room-name">${room.name}</span>
        ${unsent > 0 && !isHere && html`<span class="room-unsent">${t("chat.unsent", { count: unsent })}</span>`}
        ${unread > 0
          ? html`<span class="badge" data-testid="unread-count"><span aria-hidden="true">${unread > MOST_SHOWN ? `${MOST_SHOWN}+` : unread}</span><span class="visually-hidden">${t("chat.unread-count", { count: unread })}</span></span>`
          : html`<span class="room-members" title=${t("chat.members", { count: members })}><span aria-hidden="true">${members || ""}</span><span class="visually-hidden">${t("chat.members", { count: members })}</span></span>`}
      </button>
    </li>
  `;
}
