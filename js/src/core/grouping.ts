// Which of the lines in sight belong together (a traceback, ticks of a bar, repeats), which of these the user has folded or
// wants folded, and what that hides. Groups are found where one looks, so it costs the same however long the log. No DOM.

import type { Folds } from "./folds.js";
import { thousands } from "./format.js";
import { type Get, type Group, groupsIn } from "./groups.js";

/** What is to be folded as soon as it is seen. */
export interface Folding {
  /** Tracebacks, and ticks of progress bars that could not rewrite their line. */
  readonly groups: boolean;
  readonly repeats: boolean;
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

  constructor(folds: Folds) {
    this.#folds = folds;
  }

  set folding(folding: Folding) {
    this.#folding = folding;
    this.#byHand.clear();
    this.#folds.clear();
    this.#heads.clear();
  }

  clear(): void {
    this.#heads.clear();
    this.#byHand.clear();
  }

  /** Looks at the lines `from` to `to`. True if there is something to be drawn otherwise than before. */
  look(get: Get, from: number, to: number): boolean {
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

  /** What a line stands for, if it is the first of several. */
  at(seq: number): { readonly folded: boolean; readonly words: string } | undefined {
    const group = this.#heads.get(seq);
    if (group === undefined) return undefined;
    const lines = group.to - group.from + 1;
    const words = group.kind === "repeat" ? `× ${thousands(lines)}` : `${group.title} · ${thousands(lines)} lines`;
    return { folded: this.#folds.at(seq + 1) !== undefined, words };
  }

  /** Folds the group of a line, or opens it. */
  toggle(seq: number): void {
    const group = this.#heads.get(seq);
    if (group === undefined) return;
    const folded = this.#folds.at(seq + 1) === undefined;
    this.#byHand.delete(seq);
    this.#byHand.set(seq, folded);
    if (this.#byHand.size > MOST) this.#byHand.delete(this.#byHand.keys().next().value as number);
    if (folded) this.#folds.hide(group.from + 1, group.to);
    else this.#folds.show(seq + 1);
  }

  #isFolded({ from, kind }: Group): boolean {
    return this.#byHand.get(from) ?? (kind === "repeat" ? this.#folding.repeats : this.#folding.groups);
  }
}
