// Where a workload runs, and the connection to it, in words. Pure; no DOM.

import type { Workload } from "../protocol/types.js";
import { duration } from "./format.js";

/** The backends that need no name: this machine, and a publisher that this server did not start. */
const UNNAMED: ReadonlySet<string> = new Set(["local", "external"]);

/** Where a workload runs: `gpu1`, `cluster · node17`; "" on this machine. */
export function placeOf(job: Workload | undefined): string {
  const { backend = "local", node } = job ?? {};
  if (UNNAMED.has(backend)) return node ?? "";
  return node && node !== backend ? `${backend} · ${node}` : backend;
}

/** A connection that is down: `connection to gpu1 lost 12 s ago, retrying`; "" while it is up. `now`: the server's time. */
export function lostLink(job: Workload | undefined, now: number): string {
  const link = job?.link;
  if (!job || !link) return "";
  const to = job.backend ?? "the machine";
  const age = wholeSeconds(now - link.since);
  const state = job.state === "queued" ? `no connection to ${to} for ${age}` : `connection to ${to} lost ${age} ago`;
  const cancel = link.cancel_pending ? "; the cancel is kept and sent when it is back" : "";
  return `${state}, retrying${cancel}`;
}

/** A duration that counts up by seconds: `9 s`, not `9.4 s`. */
function wholeSeconds(ms: number): string {
  return ms < 60_000 ? `${Math.floor(Math.max(0, ms) / 1000)} s` : duration(ms);
}
