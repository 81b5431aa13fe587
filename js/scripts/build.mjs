// Builds the one ES module that the Python package carries, and fails when it outgrows its limit: its text travels in
// every comm_open. CSS is minified and inlined as text, for the shadow root; the whole is deflated and unpacks itself,
// which halves it and costs a few ms once per page.

import { createHash } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { deflateRawSync } from "node:zlib";
import { build, transform } from "esbuild";

const LIMIT_BYTES = 20_000;
const root = new URL("../", import.meta.url);
const outfile = fileURLToPath(new URL("../jupyter_logstream/static/anywidget.js", root));

const inlineCss = {
  name: "inline-css",
  setup(bundle) {
    bundle.onResolve({ filter: /\.css\?inline$/ }, ({ path, resolveDir }) => ({
      path: `${resolveDir}/${path.replace("?inline", "")}`,
      namespace: "inline-css",
    }));
    bundle.onLoad({ filter: /.*/, namespace: "inline-css" }, async ({ path }) => {
      const { code } = await transform(await readFile(path, "utf8"), { loader: "css", minify: true });
      return { contents: code.trim(), loader: "text", watchFiles: [path] };
    });
  },
};

const { outputFiles } = await build({
  entryPoints: [fileURLToPath(new URL("src/anywidget.ts", root))],
  write: false,
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2022",
  charset: "utf8",
  legalComments: "none",
  plugins: [inlineCss],
});
const plain = outputFiles[0].contents;
const deflated = deflateRawSync(plain, { level: 9 });

// The page keeps the unpacked module under a hash of its text: ten widgets unpack and evaluate it once.
const slot = `jupyter-logstream.module.${createHash("sha256").update(plain).digest("hex").slice(0, 16)}`;
const packed = `const slot = Symbol.for("${slot}");
const load = async () => {
  const bytes = Uint8Array.from(atob("${deflated.toString("base64")}"), (c) => c.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  const text = await new Response(stream).text();
  const url = URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
  return import(url).finally(() => URL.revokeObjectURL(url));
};
export default (await (globalThis[slot] ??= load())).default;
`;

await mkdir(fileURLToPath(new URL(".", `file://${outfile}`)), { recursive: true });
await writeFile(outfile, packed);
const size = Buffer.byteLength(packed);
process.stdout.write(`anywidget.js: ${size} bytes, ${plain.length} unpacked\n`);
if (size > LIMIT_BYTES) throw new Error(`over the limit of ${LIMIT_BYTES} bytes`);
