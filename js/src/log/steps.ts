// Steps of a workload: marker lines, and the extent of a run. Page; no DOM.
// The runner parses the same markers (jupyter_logstream/text/step_markers.py); tests/vectors/step_markers.json tests both.

import type { LogRecord } from "../protocol/types.js";
import { withoutColours } from "../text/text.js";

const MARKER = /^::(?:(step|group)|end(?:step|group))::(.*)$/s;
const FAILURES: ReadonlySet<string> = new Set(["failed", "failure", "fail", "error"]);
const MAX_NAME_CHARS = 200;

/** A marker line: it begins the step `name`, or ends the open step (no name), which has failed or not. */
export interface Marker {
  readonly name?: string;
  readonly failed: boolean;
}

/** The marker that a line is: `::step:: NAME`, `::group::NAME`, `::endstep::`, `::endstep:: failed`, `::endgroup::`. */
export function parseMarker(line: string): Marker | undefined {
  const found = MARKER.exec(withoutColours(line));
  if (found === null) return undefined;
  const rest = (found[2] ?? "").trim();
  if (found[1] === undefined) return { failed: FAILURES.has(rest.toLowerCase()) };
  const name = [...rest].slice(0, MAX_NAME_CHARS).join("").trimEnd();
  return name === "" ? undefined : { name, failed: false };
}

/** The marker that a record is; undefined unless the server assigned the record to a step. */
export function markerOf({ message, step }: LogRecord): Marker | undefined {
  return step === undefined ? undefined : parseMarker(message);
}

/** Requests the seq of the `offset`-th record (from 0) of `step` after `after`; undefined if there is none. */
export type SeqOf = (step: string, after: number, offset: number) => Promise<number | undefined>;

/**
 * The last record of the run of a step that begins at `first`; a step with the same name can run again later. One request
 * if it ran once, else a binary search. `total`: records of the step in the whole log, or an upper bound.
 */
export async function lastOfRun(step: string, first: number, total: number, seqOf: SeqOf): Promise<number> {
  const isInRun = async (offset: number) => (await seqOf(step, first - 1, offset)) === first + offset;
  let [low, high] = [0, Math.max(1, total)]; // low is in the run, high is not
  if (await isInRun(high - 1)) return first + high - 1;
  high -= 1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (await isInRun(middle)) low = middle;
    else high = middle;
  }
  return first + low;
}
