// Filter of the workload table: states, words, and a maximum number. No DOM.

import type { WorkloadState } from "../../protocol/types.js";
import type { ListedWorkload } from "../../protocol/workloads-source.js";
import { withoutSequences } from "../../text/ansi.js";
import { commandOf } from "../../text/format.js";
import { placeOf } from "../../text/place.js";
import { TableFilter } from "../table-filter.js";
import type { Workloads } from "./workloads.js";

/** The order of the filter chips. */
export const STATES: readonly WorkloadState[] = [
  "running",
  "queued",
  "succeeded",
  "failed",
  "timed_out",
  "cancelled",
  "lost",
];

/** The states in a comma-separated text; unknown names are ignored. */
export function statesOf(text: string): Set<WorkloadState> {
  const named = text.split(",").map((name) => name.trim());
  return new Set(STATES.filter((state) => named.includes(state)));
}

const searched = new WeakMap<ListedWorkload, string>();

/** The searched text of a workload, built once per change. */
function textOf(job: ListedWorkload): string {
  let text = searched.get(job);
  if (text === undefined) {
    const tags = Object.entries(job.tags ?? {}).map(([name, value]) => `${name}=${value}`);
    const last = withoutSequences(job.last_line ?? "");
    text = [job.name ?? "", commandOf(job), job.id, ...tags, placeOf(job), last].join("\n").toLowerCase();
    searched.set(job, text);
  }
  return text;
}

/** Whether a workload has one of the states and contains all words. */
export function matches(
  job: ListedWorkload,
  { values, words }: Pick<TableFilter<WorkloadState>, "values" | "words">,
): boolean {
  if (values.size > 0 && !values.has(job.state)) return false;
  if (words.length === 0) return true;
  const text = textOf(job);
  return words.every((word) => text.includes(word));
}

/** The filter with its last result. */
export class WorkloadFilter extends TableFilter<WorkloadState> {
  /** Matching ids, newest first. A new array only if the ids may differ. */
  ids: readonly string[] = [];
  /** How many matching workloads are beyond the limit. */
  left = 0;
  readonly #limit: number;
  #selectedFor = "";

  /** `limit`: the maximum number of ids; 0: all. */
  constructor(states?: ReadonlySet<WorkloadState>, limit = 0) {
    super(states);
    this.#limit = limit;
  }

  /** Filters again if the result may differ. Ids of `kept` (with an open log) stay even if they do not match. */
  choose(list: Workloads, kept: ReadonlyMap<string, unknown>): readonly string[] {
    const by = JSON.stringify([list.revision, [...this.values], this.words, [...kept.keys()]]);
    if (by === this.#selectedFor) return this.ids;
    this.#selectedFor = by;
    const all = list.newest((job) => kept.has(job.id) || matches(job, this));
    this.ids = this.#limit > 0 ? all.slice(0, this.#limit) : all;
    this.left = all.length - this.ids.length;
    return this.ids;
  }
}
