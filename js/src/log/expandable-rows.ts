// Expandable rows: the first line of a traceback, of progress ticks, of repeats or of a step; multi-line records; data. Page.
// Which of them are open, the label of a closed one, and what toggling does. No DOM.

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
  /** Replaces the line's text: the exception of a traceback. */
  readonly title?: string | undefined;
  /** After the text: the number of repeats, or of folded lines. */
  readonly badge?: string | undefined;
  /** Its data as a tree, shown below the line. */
  readonly tree?: Tree | undefined;
}

/** An open record: all its lines, and its data as a tree. */
interface OpenRecord {
  readonly tree: Tree | undefined;
}

/** Open records; beyond, the one opened first is closed. */
const MAX_OPEN = 200;

/** Labels of multi-line records, computed once per record: rows are drawn many times. */
const labels = new WeakMap<LogRecord, string>();

export class ExpandableRows {
  readonly #rowModel: RowModel;
  readonly #grouping: Grouping;
  readonly #steps: StepFolds;
  #folding: Folding = { groups: false, repeats: false };
  /** By seq, in order of opening. */
  readonly #opened = new Map<number, OpenRecord>();
  /** Seq of the record to open as soon as it is fetched: a search result. */
  #pendingOpen: number | undefined;

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

  /** Are there rows higher than one line? */
  get hasTallRows(): boolean {
    return this.#opened.size > 0;
  }

  at(key: number, record: LogRecord): Expander | undefined {
    const group = this.#groupAt(key, record);
    if (group?.folded) return { fold: "closed", title: group.title, badge: group.words };
    if (group !== undefined) return { fold: "open" };
    const opened = this.#opened.get(record.seq);
    if (opened !== undefined) return { fold: "open", tree: opened.tree };
    if (isMultiLine(record)) return { fold: "closed", badge: labelOf(record) };
    return record.fields !== undefined || looksLikeData(record.message) ? { fold: "closed" } : undefined;
  }

  #groupAt(key: number, record: LogRecord): Grouped | undefined {
    return this.#rowModel.canFold ? (this.#grouping.at(key) ?? this.#steps.at(record)) : undefined;
  }

  /** The group that a visible line belongs to. */
  around(key: number): Group | undefined {
    return this.#rowModel.canFold ? this.#grouping.around(key) : undefined;
  }

  /** Folds new groups among the visible keys, opens a pending search result. True if rows have changed. */
  update(from: number, to: number): boolean {
    const { lines, canFold } = this.#rowModel;
    const [first, last] = [Math.max(from, lines.first), Math.min(to, lines.last)];
    const opened = this.#openPending(first, last);
    return (canFold && this.#grouping.update((seq) => lines.get(seq), first, last)) || opened;
  }

  /** Folds or opens the group, step or record of a row. Throws if the range must be fetched and cannot be. */
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

  /** Makes a record visible: opens the group it is folded in. */
  uncover(seq: number): void {
    this.#pendingOpen = seq;
    if (this.#rowModel.canFold) this.#grouping.uncover(seq);
  }

  clear(): void {
    this.#pendingOpen = undefined;
    this.#grouping.clear();
  }

  dispose(): void {
    this.#steps.dispose();
  }

  #openPending(from: number, to: number): boolean {
    if (this.#pendingOpen === undefined) return false;
    for (let key = from; key <= to; key++) {
      const record = this.#rowModel.lines.get(key);
      if (record?.seq !== this.#pendingOpen) continue;
      this.#pendingOpen = undefined;
      return isMultiLine(record) && !this.#opened.has(record.seq) && this.#open(record);
    }
    return false;
  }

  #open(record: LogRecord): boolean {
    const tree = readTree(record.message, record.fields);
    if (tree === undefined && !isMultiLine(record)) return false;
    this.#opened.set(record.seq, { tree });
    if (this.#opened.size > MAX_OPEN) this.#opened.delete(this.#opened.keys().next().value as number);
    return true;
  }
}

function isMultiLine({ message }: LogRecord): boolean {
  return message.includes("\n");
}

/** The label of a closed multi-line record: the exception in it, and its number of lines. */
function labelOf(record: LogRecord): string {
  const known = labels.get(record);
  if (known !== undefined) return known;
  const lines = record.message.split("\n").length;
  const label = [exceptionIn(record), `${thousands(lines)} lines`].filter(Boolean).join(" · ");
  labels.set(record, label);
  return label;
}
