/** Copies the libraries' browser files from node_modules to static/vendor, the only place that pages load them from. */
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";

const modules = new URL("node_modules/", import.meta.url);
const vendor = new URL("static/vendor/", import.meta.url);
const font = "@fontsource-variable/bricolage-grotesque";
const swagger = "swagger-ui-dist";
const asyncapi = "@asyncapi/react-component";

/** [file in node_modules, name under /assets/vendor/]; import-map.json names the modules among them. */
const files = [
  ["preact/dist/preact.mjs", "preact.js"],
  ["preact/hooks/dist/hooks.mjs", "preact-hooks.js"],
  ["htm/dist/htm.module.js", "htm.js"],
  ["uplot/dist/uPlot.esm.js", "uplot.js"],
  ["uplot/dist/uPlot.min.css", "uplot.css"],
  ["socket.io-client/dist/socket.io.esm.min.js", "socket.io.js"],
  [`${swagger}/swagger-ui-bundle.js`, "swagger-ui.js"],
  [`${swagger}/swagger-ui.css`, "swagger-ui.css"],
  // What the sandboxed frame of /docs loads stands apart: it is served to a frame without an origin, too.
  [`${asyncapi}/browser/standalone/index.js`, "frame/asyncapi.js"],
  [`${asyncapi}/styles/default.min.css`, "frame/asyncapi.css"],
  [`${font}/files/bricolage-grotesque-latin-opsz-normal.woff2`, "bricolage-grotesque-latin.woff2"],
  [`${font}/files/bricolage-grotesque-latin-ext-opsz-normal.woff2`, "bricolage-grotesque-latin-ext.woff2"],
];

await rm(vendor, { recursive: true, force: true });
await mkdir(new URL("frame/", vendor), { recursive: true });
for (const [from, to] of files) {
  await writeFile(new URL(to, vendor), withoutSourceMap(from, await readFile(new URL(from, modules))));
}
await writeFile(new URL("LICENSES.txt", vendor), await licenses());
process.stdout.write(`${files.length} files in ${fileURLToPath(vendor)}\n`);

/** The maps are not served, and a browser's tools would ask for them in vain. */
function withoutSourceMap(name, content) {
  if (/\.m?js$/.test(name)) return content.toString().replace(/\n?\/\/# sourceMappingURL=.*\s*$/, "\n");
  if (name.endsWith(".css")) return content.toString().replace(/\n?\/\*# sourceMappingURL=.*\*\/\s*$/, "\n");
  return content;
}

/** The libraries' licences ask that their text goes wherever the files go. */
async function licenses() {
  const libraries = ["preact", "htm", "uplot", "socket.io-client", swagger, asyncapi, font];
  const bundled = [
    `${swagger}/NOTICE`,
    `${swagger}/swagger-ui-bundle.js.LICENSE.txt`,
    `${asyncapi}/browser/standalone/index.js.LICENSE.txt`,
  ];
  const texts = [...libraries.map((name) => `${name}/LICENSE`), ...bundled].map(async (file) => {
    const text = await readFile(new URL(file, modules), "utf8");
    return `== ${file.replace(/\/LICENSE$/, "")} ==\n\n${text.trim()}\n`;
  });
  return (await Promise.all(texts)).join("\n\n");
}
