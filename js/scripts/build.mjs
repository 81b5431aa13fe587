// Builds the two ES modules that the Python package carries, and fails when one outgrows its limit: the shell, whose
// text travels in every comm_open, and the views, which the server serves. CSS is minified and inlined as text, for the
// shadow root.

import { readFile, stat } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { build, transform } from "esbuild";

const LIMIT_BYTES = { anywidget: 4_000, view: 60_000 };
const root = new URL("../", import.meta.url);
const outdir = fileURLToPath(new URL("../jupyter_logstream/static/", root));

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

await build({
  entryPoints: Object.keys(LIMIT_BYTES).map((name) => fileURLToPath(new URL(`src/${name}.ts`, root))),
  outdir,
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2022",
  charset: "utf8",
  legalComments: "none",
  plugins: [inlineCss],
});

for (const [name, limit] of Object.entries(LIMIT_BYTES)) {
  const { size } = await stat(`${outdir}${name}.js`);
  process.stdout.write(`${name}.js: ${size} bytes\n`);
  if (size > limit) throw new Error(`${name}.js is over its limit of ${limit} bytes`);
}
