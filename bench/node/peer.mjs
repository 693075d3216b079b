// Socket.IO on Node.js, as its documentation builds it: what Pulso is measured against.
//
//   node peer.mjs bare  PORT             connects only, as `bench.protocol_server` does it
//   node peer.mjs room  PORT REDIS_URL   rooms on @socket.io/redis-adapter
//   node peer.mjs store PORT REDIS_URL   an event is one HSET, then its ack
//
// `bench:quiet` collects garbage (started with --expose-gc), so that memory is read without it.
import { createServer } from "node:http";
import { createAdapter } from "@socket.io/redis-adapter";
import { createClient } from "redis";
import { Server } from "socket.io";

const [mode, port, redisUrl] = process.argv.slice(2);
const http = createServer();
// Websocket only, no compression (the default), no other limits than the defaults.
const io = new Server(http, { transports: ["websocket"] });

const connected = async () => {
  const client = createClient({ url: redisUrl });
  client.on("error", (fault) => { console.error(String(fault)); process.exit(1); });
  await client.connect();
  return client;
};

let ticks = 0;

const rooms = async () => {
  io.adapter(createAdapter(await connected(), await connected()));
  io.on("connection", (socket) => {
    socket.on("bench:join", async ({ topic }, ack) => { await socket.join(topic); ack({}); });
    socket.on("bench:publish", ({ topic, count, size }, ack) => {
      const text = "x".repeat(size);
      for (let sent = 0; sent < count; sent += 1) io.to(topic).emit("bench:tick", { n: ++ticks, text });
      ack({ last: ticks });
    });
  });
};

const stores = async () => {
  const redis = await connected();
  io.on("connection", (socket) => {
    socket.on("bench:store", async ({ value }, ack) => {
      await redis.hSet("values", socket.id, value);
      ack({ value });
    });
  });
};

const bare = () => {
  io.on("connection", (socket) => {
    socket.emit("auth", socket.handshake.auth);
    socket.on("bench:quiet", (_nothing, ack) => { globalThis.gc(); ack({}); });
  });
};

await { bare, room: rooms, store: stores }[mode]();
http.listen(Number(port), "127.0.0.1", 4096);
process.on("SIGTERM", () => process.exit(0));
