// The steps of a workload as stretches of one bar: how wide each is, and what it says. Pure; no DOM.

import type { Step, WorkloadState } from "../protocol/types.js";
import { duration } from "../text/format.js";

/** Steps shown; of more the first and the last ones, with a stretch between that says how many there are. */
export const MOST = 40;

export interface Span {
  readonly name: string;
  readonly state: WorkloadState | "left-out";
  /** Its part of all steps' time, in parts of one. */
  readonly share: number;
  readonly took: string;
}

/** Steps as spans, in their order. `now`: in the server's time, for those that run. */
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
  if (all.length <= MOST) return all;
  const half = MOST / 2;
  const left = steps.slice(half, -half);
  const ms = left.reduce((sum, step) => sum + length(step), 0);
  const between: Span = { name: `${left.length} more`, state: "left-out", share: ms / total, took: duration(ms) };
  return [...all.slice(0, half), between, ...all.slice(-half)];
}
