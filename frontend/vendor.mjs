/** Copies the libraries' browser files from node_modules to static/vendor, the only place that pages load them from. */
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";

const modules = new URL("node_modules/", import.meta.url);
const vendor = new URL("static/vendor/", import.meta.url);
const font = "@fontsource-variable/bricolage-grotesque";

/** [file in node_modules, name under /assets/vendor/]; import-map.json names the modules among them. */
const files = [
  ["preact/dist/preact.mjs", "preact.js"],
  ["preact/hooks/dist/hooks.mjs", "preact-hooks.js"],
  ["htm/dist/htm.module.js", "htm.js"],
  ["uplot/dist/uPlot.esm.js", "uplot.js"],
  ["uplot/dist/uPlot.min.css", "uplot.css"],
  ["socket.io-client/dist/socket.io.esm.min.js", "socket.io.js"],
  [`${font}/files/bricolage-grotesque-latin-opsz-normal.woff2`, "bricolage-grotesque-latin.woff2"],
  [`${font}/files/bricolage-grotesque-latin-ext-opsz-normal.woff2`, "bricolage-grotesque-latin-ext.woff2"],
];

await rm(vendor, { recursive: true, force: true });
await mkdir(vendor, { recursive: true });
for (const [from, to] of files) {
  await writeFile(new URL(to, vendor), withoutSourceMap(from, await readFile(new URL(from, modules))));
}
await writeFile(new URL("LICENSES.txt", vendor), await licenses());
process.stdout.write(`${files.length} files in ${fileURLToPath(vendor)}\n`);

/** The maps are not served, and a browser's tools would ask for them in vain. */
function withoutSourceMap(name, content) {
  return /\.m?js$/.test(name) ? content.toString().replace(/\n?\/\/# sourceMappingURL=.*\s*$/, "\n") : content;
}

/** The libraries' licences ask that their text goes wherever the files go. */
async function licenses() {
  const texts = ["preact", "htm", "uplot", "socket.io-client", font].map(async (name) => {
    const text = await readFile(new URL(`${name}/LICENSE`, modules), "utf8");
    return `== ${name} ==\n\n${text.trim()}\n`;
  });
  return (await Promise.all(texts)).join("\n\n");
}
