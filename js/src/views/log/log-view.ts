// The view of one log: its lifetime, and when it is painted: at most once per animation frame, and out of sight only when
// nothing has come for a while. DOM only, no fetch, no widget. parts.ts composes the parts. Only visible lines are in the DOM.

import type { Log } from "../../log/log.js";
import type { LogSource } from "../../protocol/log-source.js";
import { isEmpty } from "../../protocol/query.js";
import { badge } from "../../text/format.js";
import { setData } from "../dom/dom.js";
import { FrameScheduler, type Painter, type Pass } from "../dom/frame-scheduler.js";
import { Presence } from "../dom/presence.js";
import { Sight } from "../dom/sight.js";
import { followTheme } from "../dom/theme.js";
import { type LogViewOptions, LogViewParts } from "./parts.js";
import { followLinks } from "./permalink.js";
import { preferences } from "./preferences.js";

const CLOCK_INTERVAL_MS = 1000;
/** A view out of sight is painted when its log has not changed for this long. */
const QUIET_MS = 1000;

/** Shows a log in an element until it is disposed of. */
export function mountLogView(host: HTMLElement, source: LogSource, options: LogViewOptions = {}): { dispose(): void } {
  const view = new LogView(host, source, options);
  return { dispose: () => view.dispose() };
}

class LogView implements Painter {
  readonly #host: HTMLElement;
  readonly #parts: LogViewParts;
  readonly #presence: Presence;
  readonly #sight: Sight;
  readonly #frames = new FrameScheduler(this);
  readonly #unsubscribe: readonly (() => void)[];
  /** The line that the page's address links to, until the log has it. */
  #linked: number | undefined;
  #clock: ReturnType<typeof setInterval> | undefined;
  #quietTimer: ReturnType<typeof setTimeout> | undefined;
  #paintedState = "";
  #disposed = false;

  constructor(host: HTMLElement, source: LogSource, options: LogViewOptions) {
    this.#host = host;
    this.#parts = new LogViewParts(host, source, options, {
      changed: () => this.#frames.request(),
      logChanged: () => this.#onLogChange(),
    });
    this.#sight = new Sight(host, () => this.#frames.request());
    this.#presence = new Presence(
      host,
      () => this.#onPresent(),
      () => this.#suspend(),
    );
    const unlink = followLinks(source.workload, (seq) => {
      this.#linked = seq;
      this.#frames.request();
    });
    this.#unsubscribe = [followTheme(host), unlink];
    this.#open();
    this.write();
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#frames.stop();
    clearTimeout(this.#quietTimer);
    this.#suspend();
    this.#presence.dispose();
    this.#sight.dispose();
    this.#parts.dispose();
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
  }

  // --- lifetime ---

  #open(): void {
    this.#parts.log.open();
    this.#clock = setInterval(() => this.#updateTimes(), CLOCK_INTERVAL_MS);
    this.#presence.watch();
  }

  #suspend(): void {
    clearInterval(this.#clock);
    this.#presence.unwatch();
    this.#parts.log.close();
  }

  #onPresent(): void {
    if (this.#disposed) return;
    this.#parts.list.measure();
    if (!this.#parts.log.isOpen) this.#open();
  }

  // --- painting ---

  read(): void {
    this.#parts.list.read();
  }

  write(): Pass | undefined {
    clearTimeout(this.#quietTimer);
    const { log, list, notices, filters, marks, overview, panels } = this.#parts;
    const { lines, status } = log;
    this.#paintedState = stateOf(log);
    this.#showLinked(lines.last);
    list.paint();
    this.#updateHeader();
    const { matchCount, filterError } = list.rowModel;
    const { following } = list.viewport;
    notices.update(log, { rows: list.rows.count, following, filtered: !isEmpty(filters.filter), matchCount });
    filters.update(log, matchCount, filterError);
    const errors = log.errors.lines;
    marks.update(lines.last, errors > 0, status.rung === "done");
    overview.update(lines.last, errors);
    panels.update(log, { charts: preferences().pictures, onlyStep: filters.search.step });
    return list.correction;
  }

  scroll(): void {
    this.#parts.list.viewport.scroll();
  }

  /** Out of sight a view only counts its lines, unless the state changes, which is also announced to screen readers. */
  #onLogChange(): void {
    const { log, list } = this.#parts;
    if (stateOf(log) !== this.#paintedState || (list.rows.count === 0 && this.#sight.isInSight)) {
      this.#frames.request();
      return;
    }
    if (this.#sight.isInSight) {
      this.#frames.requestSoon();
      return;
    }
    this.#updateCount();
    clearTimeout(this.#quietTimer);
    this.#quietTimer = setTimeout(() => this.#frames.request(), QUIET_MS);
  }

  /** Shows the line that the page's address links to, once the log has it. */
  #showLinked(last: number): void {
    if (this.#linked === undefined || last < this.#linked) return;
    const seq = this.#linked;
    this.#linked = undefined;
    this.#host.scrollIntoView({ block: "center" });
    this.#parts.commands.show(seq);
  }

  /** Updates durations and the countdown to the next connection attempt. */
  #updateTimes(): void {
    if (!this.#sight.isInSight) return;
    const { log, panels, filters } = this.#parts;
    this.#updateHeader();
    panels.updateSteps(log, filters.search.step);
  }

  #updateHeader(): void {
    const { log, list, header, announcer } = this.#parts;
    const { job, status, cancelling, serverNow, levels, errors } = log;
    const { rung } = status;
    const count = this.#updateCount();
    setData(this.#host, "state", rung);
    const { following } = list.viewport;
    header.update({ job, status, lines: count, following, cancelling, serverNow, levels, errors });
    const { label, detail } = badge(job, rung === "reconnecting" ? { rung } : status, 0);
    announcer.update(detail === "" ? label : `${label}, ${detail}`, count, errors.errors);
    if (rung === "done") clearInterval(this.#clock);
  }

  /** Returns the number of lines. */
  #updateCount(): number {
    const { job, status, lines } = this.#parts.log;
    const count = status.rung === "error" ? Math.max(lines.last, job?.lines ?? 0) : lines.last;
    setData(this.#host, "lines", String(count));
    return count;
  }
}

/** What a view shows at once, also out of sight. */
function stateOf({ job, status }: Log): string {
  return [status.rung, status.message, status.kernel, job?.state, job?.link?.since].join();
}
