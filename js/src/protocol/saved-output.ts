// The output saved in a notebook for a workload: the value of our MIME type, validated, since notebooks are untrusted. Page.
// Also the flag by which the labextension claims these outputs from the anywidget. No DOM.

import type { Result, SavedLog, Workload } from "./types.js";

export const MIME = "application/vnd.jupyter-logstream.v1+json";
const CLAIM = Symbol.for("jupyter-logstream.outputs");

export interface Bundle {
  readonly workload: string;
  /** Name of the upstream that has the workload; empty: this server. */
  readonly upstream: string;
  readonly protocol: number;
  readonly saved: SavedLog | undefined;
}

type Fields = { readonly [name: string]: unknown };

export function readBundle(value: unknown): Bundle {
  const { workload, upstream, protocol, final } = fields(value);
  const ids = { workload: text(workload) ?? "", upstream: text(upstream) ?? "" };
  return { ...ids, protocol: Number(protocol), saved: readSaved(final) };
}

function readSaved(value: unknown): SavedLog | undefined {
  const { job, lines, first_error: error } = fields(value);
  const raw = fields(job);
  if (typeof raw["state"] !== "string" || !Array.isArray(lines)) return undefined;
  const saved: Workload = {
    id: text(raw["id"]) ?? "",
    name: text(raw["name"]),
    command: text(raw["command"]),
    call: text(raw["call"]),
    result: readResult(raw["result"]),
    state: raw["state"] as Workload["state"],
    created: number(raw["created"]) ?? 0,
    started: number(raw["started"]),
    ended: number(raw["ended"]),
    exit_code: number(raw["exit_code"]),
    signal: text(raw["signal"]) ?? number(raw["signal"]),
    error: text(raw["error"]),
    lines: number(raw["lines"]) ?? 0,
  };
  return { job: saved, lines: lines.filter((line) => typeof line === "string"), error: readError(error) };
}

function readResult(value: unknown): Result | null {
  const { kind, type, repr } = fields(value);
  return text(kind) === null ? null : { kind: text(kind) ?? "", type: text(type) ?? "", repr: text(repr) ?? "" };
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

// --- the shell that shows it ---

/** From now on the caller shows outputs of our MIME type, not their widget. */
export function claimOutputs(): void {
  (globalThis as { [CLAIM]?: boolean })[CLAIM] = true;
}

export function areOutputsClaimed(): boolean {
  return (globalThis as { [CLAIM]?: boolean })[CLAIM] === true;
}
