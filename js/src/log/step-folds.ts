// Folding of steps: the line that begins a step stands for all lines of its run. Page; no DOM.
// The end of a run is requested when it is folded; lines that a running step writes later are shown.

import type { LogSource } from "../protocol/log-source.js";
import type { LogRecord } from "../protocol/types.js";
import { thousands } from "../text/format.js";
import type { Folds } from "./folds.js";
import type { Grouped } from "./grouping.js";
import { lastOfRun, markerOf } from "./steps.js";

export class StepFolds {
  readonly #folds: Folds;
  readonly #source: LogSource;
  readonly #ended = new AbortController();

  constructor(folds: Folds, source: LogSource) {
    this.#folds = folds;
    this.#source = source;
  }

  /** The fold of a line that begins a step; undefined for other lines. */
  at(record: LogRecord): Grouped | undefined {
    if (markerOf(record)?.name === undefined) return undefined;
    const fold = this.#folds.at(record.seq + 1);
    const folded = fold?.from === record.seq + 1;
    return { folded, words: folded ? `${record.step} · ${thousands(fold.to - record.seq + 1)} lines` : "" };
  }

  /** Folds the step that a line begins, or unfolds it. Rejects if the request for its end fails. */
  async toggle(record: LogRecord): Promise<void> {
    const { seq, step } = record;
    if (step === undefined) return;
    if (this.at(record)?.folded) {
      this.#folds.show(seq + 1);
      return;
    }
    const { signal } = this.#ended;
    const request = (after: number, offset: number) => this.#source.page({ step, after, offset, limit: 1 }, signal);
    const { total } = await request(0, 0);
    const last = await lastOfRun(
      step,
      seq,
      total,
      async (_, after, offset) => (await request(after, offset)).records[0]?.seq,
    );
    if (!signal.aborted) this.#folds.hide(seq + 1, last);
  }

  dispose(): void {
    this.#ended.abort();
  }
}
