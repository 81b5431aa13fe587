// Panels between the header and the lines of a log: steps, first error, progress bars, metrics, lines over time. DOM only.
// A panel is hidden while the log has nothing for it.

import type { Log } from "../../../log/log.js";
import type { Overview } from "../../../log/overview/overview.js";
import type { SavedLog } from "../../../protocol/types.js";
import { element } from "../../dom/dom.js";
import chartCss from "./chart.css?inline";
import curvesCss from "./curves.css?inline";
import { Curves } from "./curves.js";
import errorCss from "./error-card.css?inline";
import { mountErrorCard } from "./error-card.js";
import histogramCss from "./histogram.css?inline";
import { HistogramView, type TimeRange } from "./histogram.js";
import panelCss from "./panels.css?inline";
import progressCss from "./progress.css?inline";
import { mountProgress } from "./progress.js";
import stepCss from "./step-bar.css?inline";
import { StepBar } from "./step-bar.js";

export const panelsCss = panelCss + stepCss + errorCss + progressCss + curvesCss + chartCss + histogramCss;

/** The minimum interval between two updates. */
const UPDATE_INTERVAL_MS = 200;
/** Finished progress bars disappear after a while, so they are updated at this interval without new lines. */
const BARS_INTERVAL_MS = 1000;

export interface PanelActions {
  /** Shows a line. */
  jump(seq: number): void;
  /** Shows the first line of a step. */
  jumpToStep(name: string): void;
  /** Shows only the lines of a step; undefined: of all steps. */
  filterStep(name: string | undefined): void;
  /** Shows only the lines of a time range; undefined: all lines. */
  showTimeRange(range: TimeRange | undefined): void;
}

export interface PanelsModel {
  /** Are the charts (metrics, lines over time) switched on? */
  readonly charts: boolean;
  /** The step that the log is filtered by. */
  readonly onlyStep: string | undefined;
}

export class LogPanels {
  readonly element = element("div", "above");
  readonly #overview: Overview;
  readonly #steps: StepBar;
  readonly #panels;
  readonly #savedError: SavedLog["error"];
  readonly #changed: () => void;
  #updatedAt = Number.NEGATIVE_INFINITY;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /**
   * `changed`: called when the panels need an update although the log has not changed. `saved`: what the notebook saved of
   * the log, shown when the log is unavailable.
   */
  constructor(overview: Overview, actions: PanelActions, changed: () => void, saved?: SavedLog) {
    this.#overview = overview;
    this.#changed = changed;
    this.#savedError = saved?.error;
    const host = this.element;
    const jump = (seq: number) => actions.jump(seq);
    this.#steps = new StepBar({
      jump: (name) => actions.jumpToStep(name),
      filter: (name) => actions.filterStep(name),
    });
    host.append(this.#steps.element);
    this.#panels = {
      error: mountErrorCard(host, { jump }),
      progress: mountProgress(host),
      curves: new Curves({ jump }),
      histogram: new HistogramView({ jump, select: (range) => actions.showTimeRange(range) }),
    };
    host.append(this.#panels.curves.element, this.#panels.histogram.element);
  }

  /** Updates the step bar at once: running steps get longer also without new lines. */
  updateSteps(log: Log, onlyStep: string | undefined): void {
    this.#steps.update({ steps: log.job?.steps ?? [], now: log.serverNow, only: onlyStep });
  }

  /** Updates all panels, at most once per UPDATE_INTERVAL_MS; a call that comes too early is deferred. Reads nothing. */
  update(log: Log, model: PanelsModel): void {
    clearTimeout(this.#timer);
    const wait = this.#updatedAt + UPDATE_INTERVAL_MS - performance.now();
    if (wait > 0) {
      this.#timer = setTimeout(this.#changed, wait);
      return;
    }
    this.#updatedAt = performance.now();
    const { bars, metrics, histogram, error } = this.#overview;
    const { error: errorCard, progress, curves, histogram: histogramView } = this.#panels;
    this.updateSteps(log, model.onlyStep);
    const isLost = log.status.rung === "error" && log.lines.get(log.lines.last) === undefined;
    const saved = isLost && this.#savedError !== undefined ? { ...this.#savedError, lines: 1, errors: 0 } : undefined;
    errorCard.update(error ?? saved, !isLost, log.errors);
    const shownBars = bars.shown(Date.now());
    progress.update(shownBars);
    curves.update(model.charts ? metrics.plottable : []);
    const showsHistogram = model.charts && this.#overview.isWorthSeeing;
    if (showsHistogram) histogramView.update(histogram);
    this.element.dataset["pictures"] = String(showsHistogram);
    if (shownBars.length > 0) this.#timer = setTimeout(this.#changed, BARS_INTERVAL_MS);
  }

  dispose(): void {
    clearTimeout(this.#timer);
    for (const panel of [this.#steps, ...Object.values(this.#panels)]) panel.dispose();
  }
}
