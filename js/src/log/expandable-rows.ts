// Lines that stand for more than they show: the first line of a traceback, of a bar's ticks, of repeats or of a step, a record
// of several lines, data. Which of these are open, what each says while it is not, and what opening it does. No DOM.

import type { LogSource } from "../protocol/log-source.js";
import type { LogRecord } from "../protocol/types.js";
import { thousands } from "../text/format.js";
import { exceptionIn, type Group } from "../text/groups.js";
import { looksLikeData, readTree, type Tree } from "../text/tree.js";
import { type Folding, type Grouped, Grouping } from "./grouping.js";
import type { RowModel } from "./row-model.js";
import { StepFolds } from "./step-folds.js";

export interface Expander {
  readonly fold: "open" | "closed";
  /** Said in place of the line's text: the exception of a traceback. */
  readonly title?: string | undefined;
  /** Behind the text: how often it is repeated, what is folded. */
  readonly badge?: string | undefined;
  /** The data in it, to be shown below. */
  readonly tree?: Tree | undefined;
}

/** What is open of a record itself: its lines, its data, or both. */
interface Opened {
  readonly tree: Tree | undefined;
}

const MOST_OPENED = 200;

/** A record of several lines, as it is told in one: read once, since a flood of them is drawn again and again. */
const several = new WeakMap<LogRecord, string>();

export class ExpandableRows {
  readonly #rowModel: RowModel;
  readonly #grouping: Grouping;
  readonly #steps: StepFolds;
  #folding: Folding = { groups: false, repeats: false };
  /** By seq; at the bound the one opened first is closed. */
  readonly #opened = new Map<number, Opened>();
  /** A record that is looked for, and so to be open as soon as it is here. */
  #wanted: number | undefined;

  constructor(rowModel: RowModel, source: LogSource) {
    this.#rowModel = rowModel;
    this.#grouping = new Grouping(rowModel.folds);
    this.#steps = new StepFolds(rowModel.folds, source);
  }

  set folding({ groups, repeats }: Folding) {
    if (groups === this.#folding.groups && repeats === this.#folding.repeats) return;
    this.#folding = { groups, repeats };
    this.#grouping.folding = this.#folding;
  }

  /** Are there rows higher than a line? */
  get tall(): boolean {
    return this.#opened.size > 0;
  }

  at(key: number, record: LogRecord): Expander | undefined {
    const group = this.#standing(key, record);
    if (group?.folded) return { fold: "closed", title: group.title, badge: group.words };
    if (group !== undefined) return { fold: "open" };
    const opened = this.#opened.get(record.seq);
    if (opened !== undefined) return { fold: "open", tree: opened.tree };
    if (isSeveral(record)) return { fold: "closed", badge: wordsOf(record) };
    return record.fields !== undefined || looksLikeData(record.message) ? { fold: "closed" } : undefined;
  }

  #standing(key: number, record: LogRecord): Grouped | undefined {
    return this.#rowModel.canFold ? (this.#grouping.at(key) ?? this.#steps.at(record)) : undefined;
  }

  /** The lines that a line belongs to, if it is in sight. */
  around(key: number): Group | undefined {
    return this.#rowModel.canFold ? this.#grouping.around(key) : undefined;
  }

  /** Folds what is in sight and is to be folded, opens what is looked for. True if rows have changed. */
  update(from: number, to: number): boolean {
    const { lines, canFold } = this.#rowModel;
    const [first, last] = [Math.max(from, lines.first), Math.min(to, lines.last)];
    const opened = this.#openWanted(first, last);
    return (canFold && this.#grouping.look((seq) => lines.get(seq), first, last)) || opened;
  }

  /** Folds or opens what a line stands for, or belongs to. Throws where it must be asked for and can't be. */
  async toggle(key: number): Promise<void> {
    const record = this.#rowModel.lines.get(key);
    const { canFold } = this.#rowModel;
    if (canFold && this.#grouping.at(key) !== undefined) this.#grouping.toggle(key);
    else if (record === undefined) return;
    else if (canFold && this.#steps.at(record) !== undefined) await this.#steps.toggle(record);
    else if (!this.#opened.delete(record.seq) && !this.#open(record)) {
      const group = this.around(key);
      if (group !== undefined) this.#grouping.toggle(group.from);
    }
  }

  /** A record is to be seen, whatever is folded. */
  uncover(seq: number): void {
    this.#wanted = seq;
    if (this.#rowModel.canFold) this.#grouping.uncover(seq);
  }

  clear(): void {
    this.#wanted = undefined;
    this.#grouping.clear();
  }

  dispose(): void {
    this.#steps.dispose();
  }

  #openWanted(from: number, to: number): boolean {
    if (this.#wanted === undefined) return false;
    for (let key = from; key <= to; key++) {
      const record = this.#rowModel.lines.get(key);
      if (record?.seq !== this.#wanted) continue;
      this.#wanted = undefined;
      return isSeveral(record) && !this.#opened.has(record.seq) && this.#open(record);
    }
    return false;
  }

  #open(record: LogRecord): boolean {
    const tree = readTree(record.message, record.fields);
    if (tree === undefined && !isSeveral(record)) return false;
    this.#opened.set(record.seq, { tree });
    if (this.#opened.size > MOST_OPENED) this.#opened.delete(this.#opened.keys().next().value as number);
    return true;
  }
}

function isSeveral({ message }: LogRecord): boolean {
  return message.includes("\n");
}

/** The exception of a traceback in it, and how many lines it has. */
function wordsOf(record: LogRecord): string {
  const known = several.get(record);
  if (known !== undefined) return known;
  const lines = record.message.split("\n").length;
  const words = [exceptionIn(record), `${thousands(lines)} lines`].filter(Boolean).join(" · ");
  several.set(record, words);
  return words;
}
