// Spans of the step bar: the share of time and the label of each step. Page; pure, no DOM.

import type { Step, WorkloadState } from "../protocol/types.js";
import { duration } from "../text/format.js";

/** Most spans of steps; beyond, the first and last ones with one span between them for the rest. */
export const MAX_SPANS = 40;

export interface Span {
  readonly name: string;
  readonly state: WorkloadState | "left-out";
  /** Its share of the time of all steps, 0 to 1. */
  readonly share: number;
  readonly took: string;
}

/** The spans of steps, in order. `now`: the server's time in Unix ms, for running steps. */
export function spans(steps: readonly Step[], now: number): readonly Span[] {
  const length = ({ started, ended }: Step) => Math.max(0, (ended ?? now) - started);
  const total = Math.max(
    1,
    steps.reduce((sum, step) => sum + length(step), 0),
  );
  const all = steps.map((step): Span => {
    const ms = length(step);
    return { name: step.name, state: step.state, share: ms / total, took: duration(ms) };
  });
  if (all.length <= MAX_SPANS) return all;
  const half = MAX_SPANS / 2;
  const left = steps.slice(half, -half);
  const ms = left.reduce((sum, step) => sum + length(step), 0);
  const between: Span = { name: `${left.length} more`, state: "left-out", share: ms / total, took: duration(ms) };
  return [...all.slice(0, half), between, ...all.slice(-half)];
}
