/** Drafts: files go up a few at a time, the text waits for them, and a failed file keeps everything. */
import assert from "node:assert/strict";
import test from "node:test";

import { createDrafts } from "../../../frontend/static/js/chat/drafts.js";
import { settled } from "./fake-clock.mjs";
import { shelf } from "./shelf.mjs";

const ROOM = "sala-1";

function setUp(storage = shelf()) {
  /** @type {{ name: string, ok: () => Promise<void>, fail: () => Promise<void>, progress: (part: number) => void, isAborted: boolean }[]} */
  const uploads = [];
  const sent = [];
  let ids = 0;
  const drafts = createDrafts({
    storage, key: "drafts",
    newId: () => `k${(ids += 1)}`,
    previewOf: (file) => (file.type.startsWith("image/") ? `blob:${file.name}` : ""),
    forget: () => {},
    reasonOf: (error) => /** @type {{ code: string }} */ (error).code,
    send: (room, text, files) => sent.push([room, text, files.map(({ name }) => name)]),
    upload(file, onProgress) {
      const one = { name: file.name, isAborted: false, progress: onProgress, ok: settled, fail: settled };
      uploads.push(one);
      const promise = new Promise((resolve, reject) => {
        one.ok = () => (resolve({ id: file.name, name: file.name, url: `/static/${file.name}`, type: file.type, size: file.size }), settled());
        one.fail = () => (reject({ code: "too_large" }), settled());
      });
      return { sent: promise, abort: () => void (one.isAborted = true) };
    },
  });
  const attach = (...names) => drafts.attach(ROOM, names.map((name) => /** @type {File} */ ({ name, size: 5, type: name.endsWith("png") ? "image/png" : "" })));
  const states = () => drafts.of(ROOM).attachments.map(({ name, state }) => `${name} ${state}`);
  return { drafts, uploads, sent, attach, states, storage };
}

test("a few files go up at a time, and all are sent in the order of choice", async () => {
  const { drafts, uploads, sent, attach, states } = setUp();
  attach("a", "b", "c", "d");
  assert.deepEqual(states(), ["a uploading", "b uploading", "c uploading", "d waiting"]);
  await uploads[2].ok();
  assert.equal(uploads[3].name, "d");
  for (const index of [3, 1, 0]) await uploads[index].ok();
  drafts.write(ROOM, "four");
  drafts.send(ROOM);
  assert.deepEqual(sent, [[ROOM, "four", ["a", "b", "c", "d"]]]);
  assert.deepEqual(drafts.of(ROOM), { text: "", attachments: [], isWaiting: false });
});

test("the text waits until its files are up", async () => {
  const { drafts, uploads, sent, attach } = setUp();
  attach("a");
  drafts.write(ROOM, "with a file");
  drafts.send(ROOM);
  assert.deepEqual([sent, drafts.of(ROOM).isWaiting], [[], true]);
  uploads[0].progress(0.5);
  assert.equal(drafts.of(ROOM).attachments[0].part, 0.5);
  await uploads[0].ok();
  assert.deepEqual(sent, [[ROOM, "with a file", ["a"]]]);
});

test("a file that fails keeps the draft, is tried again, and then the person sends", async () => {
  const { drafts, uploads, sent, attach, states } = setUp();
  attach("a", "b");
  drafts.write(ROOM, "two files");
  drafts.send(ROOM);
  await uploads[0].fail();
  await uploads[1].ok();
  assert.deepEqual([states(), drafts.of(ROOM).text, sent], [["a failed", "b done"], "two files", []]);
  assert.equal(drafts.of(ROOM).attachments[0].fault, "too_large");
  drafts.send(ROOM);
  assert.deepEqual(sent, []);
  drafts.retry(ROOM, drafts.of(ROOM).attachments[0].key);
  await uploads[2].ok();
  drafts.send(ROOM);
  assert.deepEqual(sent, [[ROOM, "two files", ["a", "b"]]]);
});

test("taking a file out gives its upload up; what waited for it goes", async () => {
  const { drafts, uploads, sent, attach } = setUp();
  attach("a");
  drafts.write(ROOM, "text");
  drafts.send(ROOM);
  drafts.detach(ROOM, drafts.of(ROOM).attachments[0].key);
  assert.deepEqual([uploads[0].isAborted, sent], [true, [[ROOM, "text", []]]]);
  await uploads[0].fail();
  assert.equal(sent.length, 1);
});

test("going on writing stops the waiting", async () => {
  const { drafts, uploads, sent, attach } = setUp();
  attach("a");
  drafts.send(ROOM);
  drafts.write(ROOM, "wait");
  await uploads[0].ok();
  assert.deepEqual(sent, []);
});

test("nothing is sent of nothing", () => {
  const { drafts, sent } = setUp();
  drafts.write(ROOM, "  \n ");
  drafts.send(ROOM);
  assert.deepEqual(sent, []);
});

test("a reload keeps the text and the files that are up", async () => {
  const { drafts, uploads, attach, storage } = setUp();
  attach("a.png", "b");
  await uploads[0].ok();
  drafts.write(ROOM, "kept");
  const next = setUp(storage);
  assert.deepEqual([next.states(), next.drafts.of(ROOM).text], [["a.png done"], "kept"]);
  assert.equal(next.drafts.of(ROOM).attachments[0].preview, "/static/a.png");
  next.drafts.send(ROOM);
  assert.deepEqual(next.sent, [[ROOM, "kept", ["a.png"]]]);
});

test("a message that was not sent comes back above what is being written", () => {
  const { drafts, states } = setUp();
  drafts.write(ROOM, "new");
  drafts.restore(ROOM, "old", [{ id: "f", name: "f.txt", url: "/static/f", type: "text/plain", size: 1 }]);
  assert.deepEqual([drafts.of(ROOM).text, states()], ["old\nnew", ["f.txt done"]]);
});
