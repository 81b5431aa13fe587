// Detection of whether this page reaches the server, or needs the kernel in between. Page; once per page.

import { currentPage, type Page } from "../net/page.js";

/** A server that has not answered by then is reached through the kernel. */
const PROBE_TIMEOUT_MS = 3000;

const SLOT = Symbol.for("jupyter-logstream.reach.v1");

/** Does our server answer requests of this page? Anything else at that address (no route, another server, a login) is no. */
export function reachesServer(page: () => Page = currentPage): Promise<boolean> {
  const realm = globalThis as { [SLOT]?: Promise<boolean> };
  realm[SLOT] ??= probe(page);
  return realm[SLOT];
}

async function probe(page: () => Page): Promise<boolean> {
  try {
    const response = await page().request("v1/info", { signal: AbortSignal.timeout(PROBE_TIMEOUT_MS) });
    const info: unknown = response.ok ? await response.json() : undefined;
    return typeof (info as { readonly protocol?: unknown } | undefined)?.protocol === "number";
  } catch {
    return false;
  }
}
