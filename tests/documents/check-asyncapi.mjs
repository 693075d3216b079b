/** What AsyncAPI's own parser says of the document at an address: `node check-asyncapi.mjs URL`. */
import { createRequire } from "node:module";

const require = createRequire(new URL("../../frontend/package.json", import.meta.url));
const { Parser } = require("@asyncapi/parser");

const answer = await fetch(process.argv[2]);
const { document, diagnostics } = await new Parser().parse(await answer.text());
process.stdout.write(JSON.stringify({ isAsyncApi: document !== undefined, diagnostics }));
