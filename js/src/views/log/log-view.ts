// The view of one log: how long it lives and when it is painted; its parts are put together in parts.ts. DOM only: no fetch,
// no widget. Painted at most once per animation frame, whatever arrives; only what is looked at is in the DOM.

import type { LogSource } from "../../protocol/log-source.js";
import { isEmpty } from "../../protocol/query.js";
import { badge } from "../../text/format.js";
import { setData } from "../dom/dom.js";
import { FrameScheduler } from "../dom/frame-scheduler.js";
import { Presence } from "../dom/presence.js";
import { followTheme } from "../dom/theme.js";
import { type LogViewOptions, LogViewParts } from "./parts.js";
import { followLinks } from "./permalink.js";
import { preferences } from "./preferences.js";

const TICK_MS = 1000;

export function mountLogView(host: HTMLElement, source: LogSource, options: LogViewOptions = {}): { dispose(): void } {
  const view = new LogView(host, source, options);
  return { dispose: () => view.dispose() };
}

class LogView {
  readonly #host: HTMLElement;
  readonly #parts: LogViewParts;
  readonly #presence: Presence;
  readonly #repaint = new FrameScheduler(() => this.#paint());
  readonly #stops: readonly (() => void)[];
  /** The line that a link asks for, until the log has it. */
  #linked: number | undefined;
  #tick: ReturnType<typeof setInterval> | undefined;
  #disposed = false;

  constructor(host: HTMLElement, source: LogSource, options: LogViewOptions) {
    this.#host = host;
    this.#parts = new LogViewParts(host, source, options, () => this.#repaint.request());
    this.#presence = new Presence(
      host,
      () => this.#appeared(),
      () => this.#suspend(),
    );
    const links = followLinks(source.workload, (seq) => {
      this.#linked = seq;
      this.#repaint.request();
    });
    this.#stops = [followTheme(host), links];
    this.#open();
    this.#paint();
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#repaint.stop();
    this.#suspend();
    this.#presence.dispose();
    this.#parts.dispose();
    for (const stop of this.#stops) stop();
  }

  // --- its life ---

  #open(): void {
    this.#parts.log.open();
    this.#tick = setInterval(() => this.#updateHeader(), TICK_MS);
    this.#presence.watch();
  }

  #suspend(): void {
    clearInterval(this.#tick);
    this.#presence.rest();
    this.#parts.log.close();
  }

  #appeared(): void {
    if (this.#disposed) return;
    this.#parts.list.measure();
    if (!this.#parts.log.isOpen) this.#open();
  }

  // --- painting ---

  #paint(): void {
    const { log, list, notices, filters, marks, overview, panels } = this.#parts;
    const { lines, levels, status } = log;
    this.#followLink(lines.last);
    list.paint();
    this.#updateHeader();
    const { matchCount, filterError } = list.rowModel;
    const filtered = !isEmpty(filters.filter);
    notices.update(log, { rows: list.rows.count, following: list.viewport.following, filtered, matching: matchCount });
    filters.update(levels, matchCount, filterError);
    const errors = (levels.get("error") ?? 0) + (levels.get("fatal") ?? 0);
    marks.update(lines.last, errors > 0, status.rung === "done");
    overview.update(lines.last, errors);
    panels.update(log, preferences().pictures);
  }

  /** The page was opened by a link to a line of this log: show that, as soon as the log has it. */
  #followLink(last: number): void {
    if (this.#linked === undefined || last < this.#linked) return;
    const seq = this.#linked;
    this.#linked = undefined;
    this.#host.scrollIntoView({ block: "center" });
    this.#parts.commands.show(seq);
  }

  #updateHeader(): void {
    const { log, list, header, steps, filters, announcer } = this.#parts;
    const { job, status, lines, cancelling, serverNow, levels } = log;
    const rung = status.rung;
    const count = rung === "error" ? Math.max(lines.last, job?.lines ?? 0) : lines.last;
    setData(this.#host, "state", rung);
    setData(this.#host, "lines", String(count));
    const { following } = list.viewport;
    header.update({ job, status, lines: count, following, cancelling, serverNow, levels });
    steps.update({ steps: job?.steps ?? [], now: serverNow, only: filters.search.step });
    const { label, detail } = badge(job, rung === "reconnecting" ? { rung } : status, 0);
    announcer.update(detail === "" ? label : `${label}, ${detail}`, count, levels.get("error") ?? 0);
    if (rung === "done") clearInterval(this.#tick);
  }
}
