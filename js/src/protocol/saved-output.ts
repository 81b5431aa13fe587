// What a notebook holds of a workload: the value of our MIME type, read with care, since notebooks come from anywhere.
// And which shell shows it: the labextension claims these outputs, the anywidget asks. No DOM.

import type { SavedLog, Workload } from "./types.js";

export const MIME = "application/vnd.jupyter-logstream.v1+json";
const CLAIM = Symbol.for("jupyter-logstream.outputs");

export interface Bundle {
  readonly workload: string;
  /** The other server that has it, as the configuration calls it; empty: this one. */
  readonly upstream: string;
  readonly protocol: number;
  readonly saved: SavedLog | undefined;
}

type Fields = { readonly [name: string]: unknown };

export function readBundle(value: unknown): Bundle {
  const { workload, upstream, protocol, final } = fields(value);
  const whose = { workload: text(workload) ?? "", upstream: text(upstream) ?? "" };
  return { ...whose, protocol: Number(protocol), saved: readSaved(final) };
}

function readSaved(value: unknown): SavedLog | undefined {
  const { job, lines, first_error: error } = fields(value);
  const said = fields(job);
  if (typeof said["state"] !== "string" || !Array.isArray(lines)) return undefined;
  const saved: Workload = {
    id: text(said["id"]) ?? "",
    name: text(said["name"]),
    command: text(said["command"]),
    state: said["state"] as Workload["state"],
    created: number(said["created"]) ?? 0,
    started: number(said["started"]),
    ended: number(said["ended"]),
    exit_code: number(said["exit_code"]),
    signal: text(said["signal"]) ?? number(said["signal"]),
    error: text(said["error"]),
    lines: number(said["lines"]) ?? 0,
  };
  return { job: saved, lines: lines.filter((line) => typeof line === "string"), error: readError(error) };
}

function readError(value: unknown): SavedLog["error"] {
  const { seq, title, repeats } = fields(value);
  if (typeof title !== "string") return undefined;
  return { seq: number(seq) ?? 0, title, repeats: number(repeats) ?? 1 };
}

function fields(value: unknown): Fields {
  return typeof value === "object" && value !== null ? (value as Fields) : {};
}

const text = (value: unknown) => (typeof value === "string" ? value : null);
const number = (value: unknown) => (typeof value === "number" ? value : null);

// --- which shell shows it ---

/** From now on outputs that carry our MIME type are shown by the caller, not by their widget. */
export function claimOutputs(): void {
  (globalThis as { [CLAIM]?: boolean })[CLAIM] = true;
}

export function areOutputsClaimed(): boolean {
  return (globalThis as { [CLAIM]?: boolean })[CLAIM] === true;
}
