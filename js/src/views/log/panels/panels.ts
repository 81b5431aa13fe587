// What stands between a log's header and its lines: steps as a bar, the first error, progress bars, curves, lines over time.
// Each shows itself only where there is something to see. DOM only; the pieces are made elsewhere.

import type { Log } from "../../../log/log.js";
import type { Overview } from "../../../log/overview/overview.js";
import type { SavedLog } from "../../../protocol/types.js";
import { element } from "../../dom/dom.js";
import chartCss from "./curves.css?inline";
import { mountCurves } from "./curves.js";
import errorCss from "./error-card.css?inline";
import { mountErrorCard } from "./error-card.js";
import histogramCss from "./histogram.css?inline";
import { mountHistogram, type TimeRange } from "./histogram.js";
import progressCss from "./progress.css?inline";
import { mountProgress } from "./progress.js";
import stepCss from "./step-bar.css?inline";
import { mountStepBar } from "./step-bar.js";

export const overviewCss = stepCss + errorCss + progressCss + chartCss + histogramCss;

/** At most so often: none of it is read faster. */
const PACE_MS = 200;

export interface OverviewActions {
  jump(seq: number): void;
  step(name: string): void;
  /** Only the lines of a stretch of time; undefined: all again. */
  stretch(stretch: TimeRange | undefined): void;
}

export class LogPanels {
  readonly element = element("div", "above");
  readonly #overview: Overview;
  readonly #pieces;
  readonly #kept: SavedLog["error"];
  #at = Number.NEGATIVE_INFINITY;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** `kept`: of a log that can't be had, as far as a notebook has kept it. */
  constructor(overview: Overview, actions: OverviewActions, kept?: SavedLog) {
    this.#overview = overview;
    this.#kept = kept?.error;
    const host = this.element;
    this.#pieces = {
      steps: mountStepBar(host, { choose: (name) => actions.step(name) }),
      error: mountErrorCard(host, { jump: (seq) => actions.jump(seq) }),
      progress: mountProgress(host),
      curves: mountCurves(host, { jump: (seq) => actions.jump(seq) }),
      histogram: mountHistogram(host, {
        jump: (seq) => actions.jump(seq),
        select: (stretch) => actions.stretch(stretch),
      }),
    };
  }

  /** `pictures`: does the user want curves and lines over time? */
  update(log: Log, pictures: boolean): void {
    clearTimeout(this.#timer);
    const wait = this.#at + PACE_MS - performance.now();
    if (wait > 0) {
      this.#timer = setTimeout(() => this.update(log, pictures), wait);
      return;
    }
    this.#at = performance.now();
    const { bars, metrics, histogram, error } = this.#overview;
    this.#pieces.steps.update(log.job?.steps ?? [], log.serverNow);
    const isLost = log.status.rung === "error" && log.lines.get(log.lines.last) === undefined;
    const kept = isLost && this.#kept !== undefined ? { ...this.#kept, lines: 1, errors: 0 } : undefined;
    this.#pieces.error.update(error ?? kept, !isLost);
    const shown = bars.shown(Date.now());
    this.#pieces.progress.update(shown);
    this.#pieces.curves.update(pictures ? metrics.worthSeeing : []);
    const isSeen = pictures && this.#overview.isWorthSeeing;
    if (isSeen) this.#pieces.histogram.update(histogram);
    this.element.dataset["pictures"] = String(isSeen);
    // Bars that are done go away by themselves, also when nothing comes any more.
    if (shown.length > 0) this.#timer = setTimeout(() => this.update(log, pictures), 1000);
  }

  dispose(): void {
    clearTimeout(this.#timer);
    for (const piece of Object.values(this.#pieces)) piece.dispose();
  }
}
