// Which workloads of a list are shown: by state, by words in what is known of them, and how many. No DOM.

import type { WorkloadState } from "../../protocol/types.js";
import type { ListedWorkload } from "../../protocol/workloads-source.js";
import { commandOf } from "../../text/format.js";
import { TableFilter } from "../table-filter.js";
import type { Workloads } from "./workloads.js";

/** In the order in which a list offers them. */
export const STATES: readonly WorkloadState[] = [
  "running",
  "queued",
  "succeeded",
  "failed",
  "timed_out",
  "cancelled",
  "lost",
];

/** What a caller names: one state, or several with commas between; others don't exist and are left out. */
export function statesOf(text: string): Set<WorkloadState> {
  const named = text.split(",").map((name) => name.trim());
  return new Set(STATES.filter((state) => named.includes(state)));
}

const searched = new WeakMap<ListedWorkload, string>();

/** Everything that is searched, put together once per workload and change. */
function textOf(job: ListedWorkload): string {
  let text = searched.get(job);
  if (text === undefined) {
    const tags = Object.entries(job.tags ?? {}).map(([name, value]) => `${name}=${value}`);
    text = [job.name ?? "", commandOf(job), job.id, ...tags, job.last_line ?? ""].join("\n").toLowerCase();
    searched.set(job, text);
  }
  return text;
}

/** By its state, and by words in what is known of it. */
export function matches(
  job: ListedWorkload,
  { values, words }: Pick<TableFilter<WorkloadState>, "values" | "words">,
): boolean {
  if (values.size > 0 && !values.has(job.state)) return false;
  if (words.length === 0) return true;
  const text = textOf(job);
  return words.every((word) => text.includes(word));
}

/** What is shown of a list, as it was chosen last. */
export class WorkloadFilter extends TableFilter<WorkloadState> {
  /** Newest first. Another array only where it may hold others. */
  ids: readonly string[] = [];
  /** How many were chosen, but are beyond the limit. */
  left = 0;
  readonly #limit: number;
  #selectedFor = "";

  /** `limit`: so many of the newest; 0: all. */
  constructor(states?: ReadonlySet<WorkloadState>, limit = 0) {
    super(states);
    this.#limit = limit;
  }

  /** Chooses anew where that may give others. Those of `kept` stay, also when they are no longer chosen. */
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
