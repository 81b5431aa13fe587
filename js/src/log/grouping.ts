// Folding of groups: tracebacks, ticks of progress bars, erased lines, repeated lines. Page; no DOM.
// Groups are found among the visible lines only, so the cost does not depend on the length of the log.

import { thousands } from "../text/format.js";
import { consecutive, type Group, groupsIn, type RecordAt } from "../text/groups.js";
import type { Folds } from "./folds.js";

/** The groups that are folded as soon as they are visible. */
export interface Folding {
  /** Tracebacks, ticks of progress bars that could not rewrite their line, and erased lines. */
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

/** Most groups whose decision or length is remembered; beyond, the oldest is forgotten. */
const MAX_REMEMBERED = 1000;

export class Grouping {
  readonly #folds: Folds;
  #folding: Folding = { groups: false, repeats: false };
  /** Visible groups by their first line. */
  #heads = new Map<number, Group>();
  /** Runs of ticks by their first line, as far as they were seen: the records within may no longer be loaded. */
  readonly #runs = new Map<number, Group>();
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
    this.#runs.clear();
    this.#decisions.clear();
    this.#target = undefined;
  }

  /** Finds the groups of the lines `from` to `to` and folds them. True if a repaint is needed. */
  update(get: RecordAt, from: number, to: number): boolean {
    const before = this.#heads;
    const groups = groupsIn(get, from, to, this.#folding.repeats).map((group) => this.#whole(group));
    this.#heads = new Map(groups.map((group) => [group.from, group]));
    let changed = groups.length !== before.size || groups.some((group) => before.get(group.from)?.to !== group.to);
    for (const group of groups) {
      const isFolded = this.#isFolded(group);
      for (const { from: first, to: last } of group.rest) {
        const fold = this.#folds.at(last);
        const isHidden = fold !== undefined && fold.from <= first;
        if (isFolded === isHidden || (!isFolded && (fold?.from !== first || fold.to !== last))) continue;
        if (isFolded) this.#folds.hide(first, last);
        else this.#folds.show(first);
        changed = true;
      }
    }
    return changed;
  }

  /** A run of ticks as long as it was seen so far, also by its rest alone. */
  #whole(group: Group): Group {
    if (group.kind !== "progress") return group;
    let head = group.from;
    for (const run of this.#runs.values()) if (run.from < head && run.to + 1 >= head) head = run.from;
    const known = this.#runs.get(head);
    const isLonger = known !== undefined && known.to > group.to;
    const whole = isLonger ? known : consecutive({ ...group, from: head });
    remember(this.#runs, head, whole);
    return whole;
  }

  at(seq: number): Grouped | undefined {
    const group = this.#heads.get(seq);
    if (group === undefined) return undefined;
    const { lines, kind, title } = group;
    const folded = this.#isHidden(group);
    if (kind === "repeat") return { folded, words: `× ${thousands(lines)}` };
    if (kind === "empty") return { folded, words: `${thousands(lines)} empty lines` };
    return { folded, title, words: kind === "progress" ? `× ${thousands(lines)}` : `${thousands(lines)} lines` };
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
    const folded = !this.#isHidden(group);
    this.#decide(seq, folded);
    for (const { from, to } of group.rest) {
      if (folded) this.#folds.hide(from, to);
      else this.#folds.show(from);
    }
  }

  #isHidden({ rest }: Group): boolean {
    return rest[0] !== undefined && this.#folds.at(rest[0].from) !== undefined;
  }

  /** Shows a line: opens the fold that hides it or that it heads. The group stays open. */
  uncover(seq: number): void {
    this.#target = seq;
    for (const key of [seq, seq + 1]) {
      const fold = this.#folds.at(key);
      if (fold === undefined || (key > seq && fold.from !== key)) continue;
      const group = this.around(key);
      this.#decide(group?.from ?? fold.from - 1, false);
      this.#folds.show(key);
      for (const { from } of group?.rest ?? []) this.#folds.show(from);
    }
  }

  #decide(head: number, folded: boolean): void {
    remember(this.#decisions, head, folded);
  }

  #isFolded({ from, to, kind }: Group): boolean {
    const decided = this.#decisions.get(from);
    if (decided !== undefined) return decided;
    const isTarget = this.#target !== undefined && this.#target >= from && this.#target <= to;
    if (isTarget) this.#decide(from, false);
    return !isTarget && (kind === "repeat" ? this.#folding.repeats : this.#folding.groups);
  }
}

function remember<Value>(map: Map<number, Value>, key: number, value: Value): void {
  map.delete(key);
  map.set(key, value);
  if (map.size > MAX_REMEMBERED) map.delete(map.keys().next().value as number);
}
