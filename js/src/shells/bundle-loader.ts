// Loader of the bundle of the views that the kernel sends: once per page, shared by all widgets. Page.

import { BUILD } from "../net/build.js";
import { bytesOf } from "../net/comm/base64.js";
import type { BundlePart } from "../net/comm/comm-messages.js";

/** One module with the exports of all views and of the connection through the kernel. */
export type Bundle = typeof import("./comm.js") &
  typeof import("./view.js") &
  typeof import("./table.js") &
  typeof import("./requests.js");

/** State shared by the modules of all widgets of this page: anywidget imports the shell once per model. */
interface Slot {
  parts: string[];
  readonly loaded: Promise<Bundle>;
  load(bundle: Promise<Bundle>): void;
  isLoading: boolean;
  requestedAt: number;
}

/** A widget requests the bundle unless another one has within this time: its kernel can be busy, or have ended. */
const REQUEST_INTERVAL_MS = 10_000;

const SLOT = Symbol.for(`jupyter-logstream.bundle.${BUILD}`);

function slot(): Slot {
  const realm = globalThis as { [SLOT]?: Slot };
  if (realm[SLOT] === undefined) {
    let load: Slot["load"] = () => {};
    const loaded = new Promise<Bundle>((resolve) => {
      load = resolve;
    });
    realm[SLOT] = { parts: [], loaded, load, isLoading: false, requestedAt: Number.NEGATIVE_INFINITY };
  }
  return realm[SLOT];
}

/** The bundle; `request` is called unless it is there or on its way, and again if it does not come. */
export function bundleOf(request: () => void): Promise<Bundle> {
  const state = slot();
  const requestOnce = () => {
    if (state.isLoading || performance.now() - state.requestedAt < REQUEST_INTERVAL_MS) return;
    state.requestedAt = performance.now();
    request();
  };
  requestOnce();
  setTimeout(requestOnce, REQUEST_INTERVAL_MS + 1);
  return state.loaded;
}

/** Takes a part of the bundle; with the last one the bundle is imported. */
export function provideBundle({ part, parts, base64 }: BundlePart): void {
  const state = slot();
  if (state.isLoading) return;
  state.parts[part] = base64;
  if (state.parts.filter((text) => text !== undefined).length < parts) return;
  state.isLoading = true;
  state.load(importBundle(state.parts));
  state.parts = [];
}

async function importBundle(parts: readonly string[]): Promise<Bundle> {
  const compressed = new Blob(parts.map(bytesOf));
  const stream = compressed.stream().pipeThrough(new DecompressionStream("gzip"));
  const text = await new Response(stream).text();
  const url = URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
  try {
    return (await import(url)) as Bundle;
  } finally {
    URL.revokeObjectURL(url);
  }
}
