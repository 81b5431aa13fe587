// Steps as folds: the line that opens a step stands for all lines of its run. Where a run ends is asked for when it is
// folded, so it may be as long as it likes; lines that a running step writes later are shown. No DOM.

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

  /** What a line stands for, if it opens a step. */
  at(record: LogRecord): Grouped | undefined {
    if (markerOf(record)?.opens !== true) return undefined;
    const fold = this.#folds.at(record.seq + 1);
    const folded = fold?.from === record.seq + 1;
    return { folded, words: folded ? `${record.step} · ${thousands(fold.to - record.seq + 1)} lines` : "" };
  }

  /** Folds the step that a line opens, or unfolds it. Throws where its end can't be had. */
  async toggle(record: LogRecord): Promise<void> {
    const { seq, step } = record;
    if (step === undefined) return;
    if (this.at(record)?.folded) {
      this.#folds.show(seq + 1);
      return;
    }
    const { signal } = this.#ended;
    const ask = (after: number, offset: number) => this.#source.page({ step, after, offset, limit: 1 }, signal);
    const { total } = await ask(0, 0);
    const last = await lastOfRun(
      step,
      seq,
      total,
      async (_, after, offset) => (await ask(after, offset)).records[0]?.seq,
    );
    if (!signal.aborted) this.#folds.hide(seq + 1, last);
  }

  dispose(): void {
    this.#ended.abort();
  }
}
