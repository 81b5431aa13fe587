// The steps of a workload as a log shows them: which lines open and close one, how a step stands, and which lines are its.
// Pure but for the question that is injected; no DOM.

import type { LogRecord, Step } from "../protocol/types.js";
import type { Badge } from "../text/format.js";
import { duration, stateBadge } from "../text/format.js";

// biome-ignore lint/suspicious/noControlCharactersInRegex: SGR begins with one
const SGR = /\x1b\[[0-9;:]*m/g;
const MARKER = /^::(step|group|endstep|endgroup)::\s*(.*?)\s*$/;

/** What a line says that opens or closes a step, and where in its text the words for people are. */
export interface Marker {
  readonly opens: boolean;
  readonly name: string;
}

/** Is this record a marker? Only where the server took it for one: then it belongs to a step. */
export function markerOf({ message, step }: LogRecord): Marker | undefined {
  if (step === undefined) return undefined;
  const found = MARKER.exec(message.replace(SGR, ""));
  if (found === null) return undefined;
  const opens = found[1] === "step" || found[1] === "group";
  return { opens, name: opens ? step : (found[2] ?? "") };
}

/** A step in words and a sign. */
export interface StepSign extends Omit<Badge, "detail"> {
  readonly name: string;
  /** How long it took, or takes. */
  readonly took: string;
}

export function stepSign(step: Step, now: number): StepSign {
  return { name: step.name, took: duration((step.ended ?? now) - step.started), ...stateBadge(step.state) };
}

/**
 * What stands above a record, as a line of its own or in the line that opens the step: the step that begins with it.
 * `before`: the record above; undefined where there is none, or it is not here: then only a marker says that a step begins.
 */
export function stepBegins(record: LogRecord, before: LogRecord | undefined): string | undefined {
  const { step } = record;
  if (step === undefined) return undefined;
  if (markerOf(record)?.opens === true) return step;
  const isNew = before !== undefined ? before.step !== step : record.seq === 1;
  return isNew ? step : undefined;
}

/** Asks for the seq of the `offset`-th record (from 0) of `step` after `after`; undefined where there is none. */
export type SeqOf = (step: string, after: number, offset: number) => Promise<number | undefined>;

/**
 * The last record of the run of a step that begins at `first`: a step of the same name may come again later, and lines of
 * another may lie between. One question where it does not come again; else as many as halving takes. `total`: records of
 * the step in the whole log, or more.
 */
export async function lastOfRun(step: string, first: number, total: number, seqOf: SeqOf): Promise<number> {
  const isIn = async (offset: number) => (await seqOf(step, first - 1, offset)) === first + offset;
  let [low, high] = [0, Math.max(1, total)]; // low is in the run, high is not
  if (await isIn(high - 1)) return first + high - 1;
  high -= 1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (await isIn(middle)) low = middle;
    else high = middle;
  }
  return first + low;
}
