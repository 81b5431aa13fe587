// Folding of groups: tracebacks, ticks of progress bars, repeated lines. Page; no DOM.
// Groups are found among the visible lines only, so the cost does not depend on the length of the log.

import { thousands } from "../text/format.js";
import { type Group, groupsIn, type RecordAt } from "../text/groups.js";
import type { Folds } from "./folds.js";

/** The groups that are folded as soon as they are visible. */
export interface Folding {
  /** Tracebacks, and ticks of progress bars that could not rewrite their line. */
  readonly groups: boolean;
  readonly repeats: boolean;
}

/** The fold at its first line. */
export interface Grouped {
  readonly folded: boolean;
  /** More informative than the first line: the exception, the bar's last state. */
  readonly title?: string;
  /** The number of lines or repeats, in words. */
  readonly words: string;
}

/** Most groups that the user opened or folded; beyond, the oldest is forgotten. */
const MAX_DECISIONS = 1000;

export class Grouping {
  readonly #folds: Folds;
  #folding: Folding = { groups: false, repeats: false };
  /** Visible groups by their first line. */
  #heads = new Map<number, Group>();
  /** The user's decision on a group, by its first line: whether it is folded. */
  readonly #decisions = new Map<number, boolean>();
  /** A line to show: its group is opened as soon as that is known. */
  #target: number | undefined;

  constructor(folds: Folds) {
    this.#folds = folds;
  }

  set folding(folding: Folding) {
    this.#folding = folding;
    this.#folds.clear();
    this.clear();
  }

  clear(): void {
    this.#heads.clear();
    this.#decisions.clear();
    this.#target = undefined;
  }

  /** Finds the groups of the lines `from` to `to` and folds them. True if a repaint is needed. */
  update(get: RecordAt, from: number, to: number): boolean {
    const before = this.#heads;
    const groups = groupsIn(get, from, to, this.#folding.repeats);
    this.#heads = new Map(groups.map((group) => [group.from, group]));
    let changed = groups.length !== before.size || groups.some((group) => before.get(group.from)?.to !== group.to);
    for (const group of groups) {
      if (this.#isFolded(group) && this.#folds.at(group.to)?.from !== group.from + 1) {
        this.#folds.hide(group.from + 1, group.to);
        changed = true;
      }
    }
    return changed;
  }

  at(seq: number): Grouped | undefined {
    const group = this.#heads.get(seq);
    if (group === undefined) return undefined;
    const lines = group.to - group.from + 1;
    const folded = this.#folds.at(seq + 1) !== undefined;
    if (group.kind === "repeat") return { folded, words: `× ${thousands(lines)}` };
    return { folded, title: group.title, words: `${thousands(lines)} lines` };
  }

  /** The visible group that contains a line. */
  around(seq: number): Group | undefined {
    for (const group of this.#heads.values()) if (seq >= group.from && seq <= group.to) return group;
    return undefined;
  }

  /** Folds the group of a line, or opens it. */
  toggle(seq: number): void {
    const group = this.#heads.get(seq);
    if (group === undefined) return;
    const folded = this.#folds.at(seq + 1) === undefined;
    this.#decide(seq, folded);
    if (folded) this.#folds.hide(group.from + 1, group.to);
    else this.#folds.show(seq + 1);
  }

  /** Shows a line: opens the fold that hides it or that it heads. The group stays open. */
  uncover(seq: number): void {
    this.#target = seq;
    for (const key of [seq, seq + 1]) {
      const fold = this.#folds.at(key);
      if (fold === undefined || (key > seq && fold.from !== key)) continue;
      this.#decide(fold.from - 1, false);
      this.#folds.show(key);
    }
  }

  #decide(head: number, folded: boolean): void {
    this.#decisions.delete(head);
    this.#decisions.set(head, folded);
    if (this.#decisions.size > MAX_DECISIONS) this.#decisions.delete(this.#decisions.keys().next().value as number);
  }

  #isFolded({ from, to, kind }: Group): boolean {
    const decided = this.#decisions.get(from);
    if (decided !== undefined) return decided;
    const isTarget = this.#target !== undefined && this.#target >= from && this.#target <= to;
    if (isTarget) this.#decide(from, false);
    return !isTarget && (kind === "repeat" ? this.#folding.repeats : this.#folding.groups);
  }
}
