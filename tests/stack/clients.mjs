/**
 * Socket.IO clients, driven from outside with the official library: `node clients.mjs http://127.0.0.1:8080`.
 *
 * One JSON object a line on standard input tells a client what to do, one a line on standard output what it saw:
 *   {"client": "ana", "do": "open", "transports": ["websocket"], "cookies": false}
 *   {"client": "ana", "do": "set", "value": 37}      tried again until it is acknowledged
 *   {"client": "ana", "do": "close"}
 *   {"client": "ana", "event": "ready", "gateway": "...", "transport": "websocket"}
 *   {"client": "ana", "event": "value", "value": 37, "step": 1}
 *   {"client": "ana", "event": "acked", "value": 37}, {"event": "disconnect", "reason"}, {"event": "refused", ...}
 */
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { setTimeout as pause } from "node:timers/promises";

const { io } = createRequire(new URL("../../frontend/package.json", import.meta.url))("socket.io-client");
const url = process.argv[2];
const sockets = new Map();

function tell(client, event, more = {}) {
  process.stdout.write(`${JSON.stringify({ client, event, ...more })}\n`);
}

const deeds = {
  async open(client, { transports, cookies }) {
    const answer = await fetch(`${url}/api/auth/guest`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ name: client }),
    });
    const signedIn = await answer.json();
    if (!answer.ok) return tell(client, "refused", { message: JSON.stringify(signedIn) });
    // `withCredentials` makes the library keep the cookies that nginx sets, as a browser would.
    const socket = io(url, { transports, withCredentials: cookies, forceNew: true, auth: { token: signedIn.access_token } });
    sockets.set(client, socket);
    socket.on("session:ready", ({ gateway }) => tell(client, "ready", { gateway, transport: socket.io.engine.transport.name }));
    socket.on("numbers:value", (value) => tell(client, "value", value));
    socket.on("disconnect", (reason) => tell(client, "disconnect", { reason }));
    socket.on("connect_error", (error) => tell(client, "refused", { message: error.message }));
    socket.on("session:ended", ({ reason }) => tell(client, "ended", { reason }));
    socket.on("session:resync", () => tell(client, "resync"));
  },

  async set(client, { value }) {
    const socket = sockets.get(client);
    for (;;) {
      try {
        const answer = await socket.timeout(2000).emitWithAck("numbers:set", { value });
        if (!answer.error) return tell(client, "acked", answer);
        tell(client, "unacked", answer.error);
      } catch (error) {
        tell(client, "unacked", { message: error.message });
      }
      await pause(200);
    }
  },

  async close(client) {
    sockets.get(client).disconnect();
    sockets.delete(client);
  },
};

createInterface({ input: process.stdin })
  .on("line", (line) => {
    const { client, do: deed, ...more } = JSON.parse(line);
    deeds[deed](client, more).catch((error) => tell(client, "failed", { message: String(error) }));
  })
  .on("close", () => process.exit());
