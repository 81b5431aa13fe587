// Builds what the Python package carries, and fails when one outgrows its limit: the anywidget shell, whose text travels
// in every comm_open; the views, which the server serves; the worker that pages share; the labextension, which JupyterLab
// and Notebook 7 load at start.
// CSS is minified and inlined as text, for the shadow root.

import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readdir, readFile, rm, writeFile } from "node:fs/promises";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build, transform } from "esbuild";

/** As text, since it travels as a value ... */
const LIMIT_BYTES = { anywidget: 2_000 };
/** ... and as they come from a server that speaks gzip. */
const LIMIT_GZIPPED_BYTES = {
  view: 60_000,
  table: 70_000,
  requests: 60_000,
  "hub-worker": 12_000,
  labextension: 75_000,
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
// Logs, and the table: two modules over what they share. The request log shares too little with them: on its own, all three
// are smaller. The connection of a page belongs to none of them.
const { metafile } = await build({
  ...common,
  entryPoints: [local("src/shells/view.ts"), local("src/shells/table.ts")],
  outdir,
  minify: true,
  splitting: true,
  chunkNames: "views-[hash]",
  metafile: true,
});
await build({ ...common, entryPoints: [local("src/shells/requests.ts")], outdir, minify: true });
// A classic worker: any browser that has shared workers takes it.
await build({
  ...common,
  entryPoints: [local("src/net/worker/hub-worker.ts")],
  outdir,
  format: "iife",
  minify: true,
});

async function weigh(name, files) {
  const texts = await Promise.all(files.map((file) => readFile(file)));
  const sum = (sizes) => sizes.reduce((all, one) => all + one, 0);
  const [size, packed] = [sum(texts.map((text) => text.length)), sum(texts.map((text) => gzipSync(text).length))];
  process.stdout.write(`${name}: ${size} bytes, ${packed} gzipped\n`);
  if (size > (LIMIT_BYTES[name] ?? size) || packed > (LIMIT_GZIPPED_BYTES[name] ?? packed)) {
    throw new Error(`${name} is over its limit`);
  }
}

// What earlier builds have shared goes; a server that runs meanwhile is never without its modules.
const made = Object.keys(metafile.outputs).map((path) => path.slice(path.lastIndexOf("/") + 1));
for (const name of await readdir(outdir)) {
  if (name.startsWith("views-") && !made.includes(name)) await rm(`${outdir}${name}`);
}
await weigh("anywidget", [`${outdir}anywidget.js`]);
await weigh("requests", [`${outdir}requests.js`]);
await weigh("hub-worker", [`${outdir}hub-worker.js`]);
for (const name of ["view", "table"]) {
  const [path, { imports }] = Object.entries(metafile.outputs).find(([path]) => path.endsWith(`/${name}.js`));
  await weigh(name, [path, ...imports.map((shared) => shared.path)]);
}

// The labextension: two modules of ours over what they share, which Jupyter's builder wraps. The page gives it Lumino and
// what it uses of JupyterLab.
const labextension = local("../jupyter_logstream/labextension/");
await rm(local("lib/"), { recursive: true, force: true });
await build({
  ...common,
  entryPoints: [local("src/shells/labextension.ts"), local("src/shells/panel.ts")],
  outdir: local("lib/"),
  minify: true, // esbuild also shortens private names, which Jupyter's builder leaves as they are
  splitting: true,
  external: ["@lumino/*", "@jupyterlab/*"],
});
await rm(labextension, { recursive: true, force: true });
const builder = local("node_modules/@jupyter/builder/lib/build-labextension.js");
const core = local("node_modules/@jupyterlab/core-meta/core.package.json");
execFileSync(process.execPath, [builder, "--core-package-file", core, local(".")], { cwd: local("."), stdio: "pipe" });
await writeFile(
  `${labextension}install.json`,
  `${JSON.stringify({
    packageManager: "python",
    packageName: "jupyter_logstream",
    uninstallInstructions: "Use your Python package manager (pip, conda, etc.) to uninstall jupyter_logstream",
  })}\n`,
);
const files = (await readdir(`${labextension}static`)).filter((name) => name.endsWith(".js"));
await weigh(
  "labextension",
  files.map((name) => `${labextension}static/${name}`),
);
