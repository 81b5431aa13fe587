// Which of the lines in sight belong together (a traceback, ticks of a bar, repeats), which of these the user has folded or
// wants folded, and what that hides. Groups are found where one looks, so it costs the same however long the log. No DOM.

import { thousands } from "../text/format.js";
import { type Group, groupsIn, type RecordAt } from "../text/groups.js";
import type { Folds } from "./folds.js";

/** What is to be folded as soon as it is seen. */
export interface Folding {
  /** Tracebacks, and ticks of progress bars that could not rewrite their line. */
  readonly groups: boolean;
  readonly repeats: boolean;
}

/** What a line stands for, if it is the first of several. */
export interface Grouped {
  readonly folded: boolean;
  /** Says more than the first line does: the exception, the bar's last state. */
  readonly title?: string;
  /** How many lines, or how often. */
  readonly words: string;
}

/** Opened or folded by hand; at the bound the oldest is forgotten. */
const MOST = 1000;

export class Grouping {
  readonly #folds: Folds;
  #folding: Folding = { groups: false, repeats: false };
  /** Groups in sight, by their first line. */
  #heads = new Map<number, Group>();
  /** What the user wants of a group, whatever the rule: is it folded? By its first line. */
  readonly #byHand = new Map<number, boolean>();
  /** This line is looked for: the group it lies in is opened, as soon as that is known. */
  #wanted: number | undefined;

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
    this.#byHand.clear();
    this.#wanted = undefined;
  }

  /** Looks at the lines `from` to `to`. True if there is something to be drawn otherwise than before. */
  look(get: RecordAt, from: number, to: number): boolean {
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

  /** The group in sight that a line lies in. */
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

  /** A line is to be seen, whatever is folded: opens what hides it, or what it stands for. It stays open. */
  uncover(seq: number): void {
    this.#wanted = seq;
    for (const key of [seq, seq + 1]) {
      const fold = this.#folds.at(key);
      if (fold === undefined || (key > seq && fold.from !== key)) continue;
      this.#decide(fold.from - 1, false);
      this.#folds.show(key);
    }
  }

  #decide(head: number, folded: boolean): void {
    this.#byHand.delete(head);
    this.#byHand.set(head, folded);
    if (this.#byHand.size > MOST) this.#byHand.delete(this.#byHand.keys().next().value as number);
  }

  #isFolded({ from, to, kind }: Group): boolean {
    const decided = this.#byHand.get(from);
    if (decided !== undefined) return decided;
    const isWanted = this.#wanted !== undefined && this.#wanted >= from && this.#wanted <= to;
    if (isWanted) this.#decide(from, false);
    return !isWanted && (kind === "repeat" ? this.#folding.repeats : this.#folding.groups);
  }
}
