// Log views below the rows of the workload table. Each has a fixed height, so that rows do not move while lines
// arrive. DOM only.

import type { LogSource } from "../../protocol/log-source.js";
import { isFinal, type Workload } from "../../protocol/types.js";
import { element } from "../dom/dom.js";
import { mountLogView } from "../log/log-view.js";
import type { RowPanel } from "../table/table-body.js";
import { panelRow } from "../table/table-cells.js";

/** Header, borders and a scrollbar; a line is about as high as code. */
const AROUND_PX = 50;
const LINE_PX = 20;
const MIN_LOG_LINES = 3;
const MAX_LOG_LINES = 14;
/** Space above and below a log. */
const GAP_PX = 10;
/** Maximum number of open logs; opening one more closes the oldest. */
export const MAX_OPEN_LOGS = 12;

class InlineLog implements RowPanel {
  readonly element: HTMLElement;
  readonly height: number;
  readonly #cell = element("div", "log");
  readonly #id: string;
  readonly #logOf: (id: string) => LogSource;
  #view: { dispose(): void } | undefined;

  constructor(job: Workload, logOf: (id: string) => LogSource) {
    this.#id = job.id;
    this.#logOf = logOf;
    const lines = isFinal(job.state) ? Math.min(Math.max(job.lines, MIN_LOG_LINES), MAX_LOG_LINES) : MAX_LOG_LINES;
    this.height = AROUND_PX + lines * LINE_PX + GAP_PX;
    this.element = panelRow(this.#cell, this.height);
  }

  /** Shows the log and follows it. */
  open(): void {
    if (this.#view !== undefined) return;
    const host = element("div", "");
    this.#cell.replaceChildren(host);
    this.#view = mountLogView(host, this.#logOf(this.#id), { height: this.height - GAP_PX });
  }

  close(): void {
    this.#view?.dispose();
    this.#view = undefined;
  }
}

export class InlineLogs {
  /** By workload id, in the order of opening. */
  readonly all: ReadonlyMap<string, RowPanel>;
  readonly #logs = new Map<string, InlineLog>();
  readonly #logOf: (id: string) => LogSource;

  constructor(logOf: (id: string) => LogSource) {
    this.#logOf = logOf;
    this.all = this.#logs;
  }

  toggle(job: Workload): void {
    if (this.#logs.has(job.id)) this.#close(job.id);
    else this.#open(job);
  }

  /** Closes the logs of workloads that no longer exist. */
  keep(has: (id: string) => boolean): void {
    for (const id of [...this.#logs.keys()]) if (!has(id)) this.#close(id);
  }

  resumeViews(): void {
    for (const log of this.#logs.values()) log.open();
  }

  /** Stops following; the logs stay open. */
  suspendViews(): void {
    for (const log of this.#logs.values()) log.close();
  }

  #open(job: Workload): void {
    const [first] = this.#logs.keys();
    if (this.#logs.size >= MAX_OPEN_LOGS && first !== undefined) this.#close(first);
    const log = new InlineLog(job, this.#logOf);
    this.#logs.set(job.id, log);
    log.open();
  }

  #close(id: string): void {
    this.#logs.get(id)?.close();
    this.#logs.delete(id);
  }
}
