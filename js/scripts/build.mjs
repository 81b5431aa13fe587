// Front-end build. Build time, Node. Writes the files that the Python package carries and fails if one exceeds its size limit:
// the anywidget shell, sent in every comm_open; the views and their chunks, served by the server; the shared worker; the labextension, loaded
// by JupyterLab and Notebook 7 at start. CSS is minified and inlined as text, for the shadow root.

import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readdir, readFile, rm, writeFile } from "node:fs/promises";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build, transform } from "esbuild";

/** Limit of the uncompressed size: the shell is sent as a value. */
const LIMIT_BYTES = { anywidget: 8_000 };
/** Limits of the gzipped size, as a server sends them. */
const LIMIT_GZIPPED_BYTES = {
  view: 75_000, // some more than in one file each, since the four modules share chunks
  table: 86_000,
  requests: 60_000,
  comm: 60_000,
  "hub-worker": 12_000,
  labextension: 16_000,
};
const root = new URL("../", import.meta.url);
const outdir = fileURLToPath(new URL("../jupyter_logstream/static/", root));

const inlineCss = {
  name: "inline-css",
  setup(bundle) {
    bundle.onResolve({ filter: /\.css\?inline$/ }, ({ path, resolveDir }) => ({
      path: resolve(resolveDir, path.replace("?inline", "")), // one name per file, or its text is bundled twice
      namespace: "inline-css",
    }));
    bundle.onLoad({ filter: /.*/, namespace: "inline-css" }, async ({ path }) => {
      const { code } = await transform(await readFile(path, "utf8"), { loader: "css", minify: true });
      return { contents: code.trim(), loader: "text", watchFiles: [path] };
    });
  },
};

const local = (path) => fileURLToPath(new URL(path, root));

/** What page and worker must agree on: pages and workers share a connection only if these folders have the same content. */
const SHARED_CODE = ["src/net", "src/protocol"];

/** The build id: a hash over names and contents of every file in SHARED_CODE, sub-folders included. */
async function buildId() {
  const hash = createHash("sha256");
  for (const folder of SHARED_CODE) {
    const files = (await readdir(local(folder), { recursive: true })).filter((name) => name.endsWith(".ts")).sort();
    for (const name of files) hash.update(`${name}\n`).update(await readFile(local(`${folder}/${name}`)));
  }
  return hash.digest("hex").slice(0, 12);
}

const common = {
  bundle: true,
  format: "esm",
  target: "es2022",
  charset: "utf8",
  legalComments: "none",
  plugins: [inlineCss],
  define: { __BUILD__: JSON.stringify(await buildId()) },
};

await build({ ...common, entryPoints: [local("src/shells/anywidget.ts")], outdir, minify: true });
// The views and the connection through the kernel are modules over shared chunks, so that their code is shipped once.
const MODULES = ["view", "table", "requests", "comm"];
const { metafile } = await build({
  ...common,
  entryPoints: MODULES.map((name) => local(`src/shells/${name}.ts`)),
  outdir,
  minify: true,
  splitting: true,
  chunkNames: "views-[hash]",
  metafile: true,
});
// A classic worker runs in every browser that has shared workers.
await build({
  ...common,
  entryPoints: [local("src/net/worker/hub-worker.ts")],
  outdir,
  format: "iife",
  minify: true,
});

async function checkSize(name, files) {
  const texts = await Promise.all(files.map((file) => readFile(file)));
  const sum = (sizes) => sizes.reduce((all, one) => all + one, 0);
  const [size, packed] = [sum(texts.map((text) => text.length)), sum(texts.map((text) => gzipSync(text).length))];
  process.stdout.write(`${name}: ${size} bytes, ${packed} gzipped\n`);
  if (size > (LIMIT_BYTES[name] ?? size) || packed > (LIMIT_GZIPPED_BYTES[name] ?? packed)) {
    throw new Error(`${name} is over its limit`);
  }
}

// Chunks of earlier builds are removed after the new modules are in place, so a running server always has a complete set.
const written = Object.keys(metafile.outputs).map((path) => path.slice(path.lastIndexOf("/") + 1));
for (const name of await readdir(outdir)) {
  if (name.startsWith("views-") && !written.includes(name)) await rm(`${outdir}${name}`);
}
await checkSize("anywidget", [`${outdir}anywidget.js`]);
await checkSize("hub-worker", [`${outdir}hub-worker.js`]);
/** A module of the build and all chunks that it loads. */
function loadedBy(path, found = new Set()) {
  if (!found.has(path)) {
    found.add(path);
    for (const chunk of metafile.outputs[path].imports) loadedBy(chunk.path, found);
  }
  return found;
}
for (const name of MODULES) {
  await checkSize(name, [...loadedBy(Object.keys(metafile.outputs).find((path) => path.endsWith(`/${name}.js`)))]);
}

// The labextension: two modules over a shared chunk, wrapped by Jupyter's builder. The page provides Lumino and JupyterLab.
const labextension = local("../jupyter_logstream/labextension/");
await rm(local("lib/"), { recursive: true, force: true });
await build({
  ...common,
  entryPoints: [local("src/shells/labextension.ts"), local("src/shells/panel.ts")],
  outdir: local("lib/"),
  // esbuild also shortens private names, which Jupyter's builder leaves as they are. Whitespace is the builder's: without it
  // esbuild drops the comment that keeps the builder from resolving the URLs of the views.
  minifyIdentifiers: true,
  minifySyntax: true,
  splitting: true,
  external: ["@lumino/*", "@jupyterlab/*"],
});
await rm(labextension, { recursive: true, force: true });
const builder = local("node_modules/@jupyter/builder/lib/build-labextension.js");
const core = local("node_modules/@jupyterlab/core-meta/core.package.json");
execFileSync(process.execPath, [builder, "--core-package-file", core, local(".")], { cwd: local("."), stdio: "pipe" });
// The version stands in the Python package only.
const [, version] = /__version__ = "(.*)"/.exec(await readFile(local("../jupyter_logstream/_version.py"), "utf8"));
const manifest = JSON.parse(await readFile(`${labextension}package.json`, "utf8"));
await writeFile(`${labextension}package.json`, `${JSON.stringify({ ...manifest, version }, null, 2)}\n`);
await writeFile(
  `${labextension}install.json`,
  `${JSON.stringify({
    packageManager: "python",
    packageName: "jupyter_logstream",
    uninstallInstructions: "Use your Python package manager (pip, conda, etc.) to uninstall jupyter_logstream",
  })}\n`,
);
const files = (await readdir(`${labextension}static`)).filter((name) => name.endsWith(".js"));
await checkSize(
  "labextension",
  files.map((name) => `${labextension}static/${name}`),
);
