/** The chat page put together: rooms, the one that is open, its people. */
import { useEffect, useMemo, useRef, useState } from "preact/hooks";

import { html } from "../html.js";
import { t, user } from "../page.js";
import { connection } from "../socket.js";
import { useStore } from "../store.js";
import { Composer } from "./composer.js";
import { atBottom, chat, leave, loadEarlier, reading, unread } from "./conversation.js";
import { Icon } from "./icons.js";
import { EMPTY, firstSeq } from "./log-book.js";
import { rowsOf } from "./log-rows.js";
import { LogView } from "./log-view.js";
import { PeoplePanel } from "./people-panel.js";
import { reasonOf } from "./reason.js";
import { RoomList } from "./room-list.js";
import { drafts, outbox } from "./sending.js";
import { dayOf, together } from "./time.js";
import { UserCard } from "./user-card.js";

const NAMED_TYPISTS = 3;
const me = user?.id ?? "";
const pageTitle = document.title;

export function ChatView() {
  const { room, roster } = useStore(chat);
  const [showsPeople, showPeople] = useState(false);
  const toggle = useRef(/** @type {HTMLButtonElement | null} */ (null));
  const close = () => {
    showPeople(false);
    toggle.current?.focus();
  };
  useTitle();
  useEffect(() => showPeople(false), [room]);
  /** @param {KeyboardEvent} event */
  const pressed = (event) => event.key === "Escape" && showsPeople && close();
  return html`
    <div class=${`chat-columns${showsPeople ? " shows-people" : ""}`} onKeyDown=${pressed}>
      <${RoomList} />
      ${room === null ? html`<${NoRoom} />` : html`
        <${OpenRoom}
          room=${room} showsPeople=${showsPeople} toggle=${toggle} onPeople=${() => showPeople(!showsPeople)}
        />
        <${PeoplePanel} roster=${roster} isOpen=${showsPeople} onClose=${close} />
      `}
    </div>
    <${UserCard} />
  `;
}

/** How much is unread stands in the tab's title. */
function useTitle() {
  const now = useStore(chat);
  const { read } = useStore(reading.store);
  const waiting = now.rooms.reduce((sum, room) => sum + unread(now, room, read), 0);
  const name = now.rooms.find(({ id }) => id === now.room)?.name;
  useEffect(() => {
    document.title = `${waiting > 0 ? `(${waiting}) ` : ""}${name ? `${name} · Pulso` : pageTitle}`;
  }, [waiting, name]);
}

function NoRoom() {
  const { phase, fault } = useStore(chat);
  const words = fault || (phase === "out" ? t("chat.choose") : t("chat.entering"));
  return html`<section class="chat-room is-empty"><p role="status">${words}</p></section>`;
}

/**
 * @typedef {import("preact").RefObject<HTMLButtonElement>} ButtonRef
 * @typedef {{ showsPeople: boolean, toggle: ButtonRef, onPeople: () => void }} People
 * @param {{ room: string } & People} props
 */
function OpenRoom({ room, showsPeople, toggle, onPeople }) {
  const now = useStore(chat);
  const { rooms, phase, books, roster, isLoading, historyFault } = now;
  const { entries } = useStore(outbox.entries);
  const { read } = useStore(reading.store);
  const [isOver, dropHandlers] = useDrop(room);
  const book = books[room] ?? EMPTY;
  const here = rooms.find(({ id }) => id === room) ?? { id: room, name: room, members: 0, seq: 0 };
  const { name } = here;
  const rows = useMemo(() => {
    const mine = entries.filter((entry) => entry.room === room);
    return rowsOf(book, mine, { me, dayOf });
  }, [book, entries, room]);
  return html`
    <section class="chat-room" aria-labelledby="room-title" ...${dropHandlers}>
      <header class="room-head">
        <h1 id="room-title">${name}</h1>
        <button
          ref=${toggle} class="button is-quiet room-people" onClick=${onPeople}
          aria-expanded=${String(showsPeople)} aria-controls="chat-people"
          aria-label=${t("chat.members", { count: roster.members.length })}
        ><${Icon} name="people" /> ${phase === "in" ? roster.members.length : ""}</button>
        <${Leave} />
      </header>
      <${LogView}
        room=${room} name=${name} rows=${rows} waiting=${unread(now, here, read)}
        isReady=${phase === "in" || Boolean(books[room])} hasEarlier=${firstSeq(book) > 1}
        isLoading=${isLoading} historyFault=${historyFault} onEarlier=${loadEarlier} onBottom=${atBottom}
      />
      <${Standing} typists=${roster.typists} />
      <${Composer} room=${room} name=${name} />
      ${isOver && html`<div class="drop-here"><p><${Icon} name="attach" /> ${t("chat.drop")}</p></div>`}
    </section>
  `;
}

function Leave() {
  const [fault, setFault] = useState("");
  const go = () => leave().catch((error) => setFault(reasonOf(error)));
  return html`
    <button class="button is-quiet" aria-label=${t("chat.leave")} title=${t("chat.leave")} onClick=${go}>
      <${Icon} name="leave" />
    </button>
    ${fault && html`<p class="room-fault" role="alert">${fault}</p>`}
  `;
}

/**
 * Who types; while there is no connection, what that means.
 * @param {{ typists: import("./log-book.js").Member[] }} props
 */
function Standing({ typists }) {
  const { state } = useStore(connection);
  const { fault } = useStore(chat);
  const away = state === "reconnecting" || state === "offline" || state === "stopped";
  const names = typists.map(({ name }) => name);
  return html`
    <div class="standing">
      <p class="typing" role="status" data-testid="typing">
        ${typists.length > 0 && html`<span class="dots" aria-hidden="true"><i></i><i></i><i></i></span>`}
        ${typists.length > 0 && typingWords(names)}
      </p>
      <p class="standing-fault" role="status">
        ${away ? t("chat.away") : fault ? t("chat.fault", { reason: fault }) : ""}
      </p>
    </div>
  `;
}

/** @param {string[]} names */
function typingWords(names) {
  if (names.length > NAMED_TYPISTS) return t("chat.typing.many", { count: names.length });
  const values = { names: together(names) };
  return names.length === 1 ? t("chat.typing.one", values) : t("chat.typing.other", values);
}

/** Files that are dropped anywhere on the room. @param {string} room @returns {[boolean, object]} */
function useDrop(room) {
  const [depth, setDepth] = useState(0); // entering a child comes before leaving its parent
  /** @param {(event: DragEvent) => void} act */
  const withFiles = (act) => (/** @type {DragEvent} */ event) => {
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    act(event);
  };
  return [depth > 0, {
    onDragEnter: withFiles(() => setDepth((now) => now + 1)),
    onDragLeave: withFiles(() => setDepth((now) => Math.max(0, now - 1))),
    onDragOver: withFiles(() => {}),
    onDrop: withFiles(({ dataTransfer }) => {
      setDepth(0);
      if (dataTransfer) drafts.attach(room, dataTransfer.files);
    }),
  }];
}
