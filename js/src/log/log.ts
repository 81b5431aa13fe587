// The state of one log in the page: workload, lines, lines being written, connection state. Page.
// A source feeds it; it reports changes by `changed` only. No DOM.

import { PermanentError } from "../protocol/errors.js";
import type { LogSource } from "../protocol/log-source.js";
import type { Frame, HubEvent, Level, LogRecord, Status, Subscription, Workload } from "../protocol/types.js";
import { type ErrorCount, ErrorLines } from "./error-lines.js";
import { RecordWindow } from "./record-window.js";

/** Records requested at first: fill any viewport. */
const TAIL_RECORDS = 200;

/** A listener for incoming records, besides the record window. */
export interface LogListener {
  records(records: readonly LogRecord[]): void;
  progress(source: string, message: string): void;
  reset(): void;
  end(): void;
}

export class Log {
  /** Called for every frame, before it is painted. */
  listener: LogListener | undefined;
  readonly lines: RecordWindow;
  /** Number of lines per level, as far as known. */
  readonly levels = new Map<Level, number>();
  /** The line being written, per source. */
  readonly progress = new Map<string, string>();
  job: Workload | undefined;
  status: Status = { rung: "connecting" };
  /** Why the last action of the user failed; "" if it did not. */
  actionError = "";
  cancelling = false;
  /** Number of restarts of the stream from its beginning. */
  epoch = 0;
  readonly #errorLines = new ErrorLines();
  readonly #source: LogSource;
  readonly #changed: () => void;
  #subscription: Subscription | undefined;
  /** The page's clock minus the server's. */
  #clockOffset = 0;
  /** Lines up to this seq are in `levels`. */
  #leveledTo = 0;

  constructor(source: LogSource, changed: () => void, job?: Workload) {
    this.job = job;
    this.#source = source;
    this.#changed = changed;
    this.lines = new RecordWindow((after, limit, signal) => this.#fetch(after, limit, signal), changed);
  }

  get isOpen(): boolean {
    return this.#subscription !== undefined;
  }

  /** The number of errors; a traceback counts as one. */
  get errors(): ErrorCount {
    return this.#errorLines.count(this.levels);
  }

  get serverNow(): number {
    return Date.now() - this.#clockOffset;
  }

  /** Follows the log: from its tail, or from where it was closed. */
  open(): void {
    const from = this.lines.last > 0 ? { after: this.lines.last } : { tail: TAIL_RECORDS };
    this.#subscription ??= this.#source.subscribe(from, (event) => this.#onEvent(event));
  }

  close(): void {
    this.#subscription?.close();
    this.#subscription = undefined;
  }

  retry(): void {
    this.actionError = "";
    this.lines.retry();
    this.#subscription?.retryNow();
  }

  async cancel(): Promise<void> {
    this.cancelling = true;
    this.actionError = "";
    this.#changed();
    try {
      await this.#source.cancel();
    } catch (error) {
      this.cancelling = false;
      this.actionError = `The workload could not be cancelled: ${error instanceof Error ? error.message : String(error)}`;
    }
    this.#changed();
  }

  #onEvent(event: HubEvent): void {
    if (event.kind === "state") this.status = event;
    else if (event.kind === "frame") this.#applyFrame(event.type, event.data);
    else {
      this.#setWorkload(event.job);
      this.#extendTo(event.cursor);
    }
    this.#changed();
  }

  #applyFrame(type: string, data: Frame): void {
    switch (type) {
      case "logs":
        for (const record of data.logs ?? []) this.progress.delete(record.source);
        this.lines.append(data.logs ?? []);
        this.#countLevels(data.logs ?? []);
        this.#errorLines.take(data.logs ?? []);
        break;
      case "progress":
        this.#setProgress(data.source ?? "", data.message ?? "");
        break;
      case "done":
        this.progress.clear();
        this.#setWorkload(data.job);
        break;
      case "status":
        this.#setWorkload(data.job);
        break;
      case "gap":
        // Unreadable records are missing between others; only after retention is everything before the gap gone.
        if (data["reason"] !== "unreadable") this.lines.removed((data.to ?? 0) + 1);
        break;
      case "reset":
        this.epoch += 1;
        this.progress.clear();
        this.levels.clear();
        this.#errorLines.clear();
        this.#leveledTo = 0;
        this.lines.reset();
        break;
      case "ping":
        if (data.timestamp !== undefined) this.#clockOffset = Date.now() - data.timestamp;
    }
    this.#extendTo(data.cursor);
    this.#notify(type, data);
  }

  #notify(type: string, data: Frame): void {
    if (type === "logs") this.listener?.records(data.logs ?? []);
    else if (type === "progress") this.listener?.progress(data.source ?? "", data.message ?? "");
    else if (type === "reset") this.listener?.reset();
    else if (type === "done") this.listener?.end();
  }

  /** The server counts levels with each change of state; lines in between are counted here. */
  #setWorkload(job: Workload | undefined): void {
    this.job = job ?? this.job;
    if (job?.levels === undefined || job.lines < this.#leveledTo) return;
    this.#leveledTo = job.lines;
    this.levels.clear();
    for (const [level, count] of Object.entries(job.levels)) this.levels.set(level as Level, count);
  }

  #countLevels(records: readonly LogRecord[]): void {
    for (const { seq, level } of records) {
      if (seq <= this.#leveledTo) continue;
      this.levels.set(level, (this.levels.get(level) ?? 0) + 1);
      this.#leveledTo = seq;
    }
  }

  #setProgress(source: string, message: string): void {
    if (message === "") this.progress.delete(source);
    else this.progress.set(source, message);
  }

  #extendTo(cursor: unknown): void {
    if (typeof cursor === "number") this.lines.extend(cursor);
  }

  async #fetch(after: number, limit: number, signal: AbortSignal): Promise<readonly LogRecord[]> {
    try {
      const { records } = await this.#source.page({ after, limit }, signal);
      this.#errorLines.takeRange(records);
      return records;
    } catch (error) {
      if (error instanceof PermanentError) this.#onEvent({ kind: "state", rung: "error", message: error.message });
      throw error;
    }
  }
}
