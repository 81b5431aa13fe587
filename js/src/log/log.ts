// One log as it stands in the page: its workload, its lines, what is being written, and how we are connected.
// Fed by a source, told to nobody but through `changed`; no DOM, so that any view may show it.

import { PermanentError } from "../protocol/errors.js";
import type { LogSource } from "../protocol/log-source.js";
import type { Frame, HubEvent, Level, LogRecord, Status, Subscription, Workload } from "../protocol/types.js";
import { RecordWindow } from "./record-window.js";

/** Records asked for at first: fills any viewport, in one answer. */
const TAIL = 200;

/** Who wants to hear what comes, besides the lines' window. */
export interface LogListener {
  records(records: readonly LogRecord[]): void;
  progress(source: string, message: string): void;
  reset(): void;
  end(): void;
}

export class Log {
  /** Told of everything that comes, before it is painted. */
  listener: LogListener | undefined;
  readonly lines: RecordWindow;
  /** How many lines of which level, as far as that is known. */
  readonly levels = new Map<Level, number>();
  /** The line being written, per source. */
  readonly progress = new Map<string, string>();
  job: Workload | undefined;
  status: Status = { rung: "connecting" };
  /** What went wrong with something the user did, in a sentence. */
  actionError = "";
  cancelling = false;
  /** Number of restarts of the stream from its beginning. */
  epoch = 0;
  readonly #source: LogSource;
  readonly #changed: () => void;
  #subscription: Subscription | undefined;
  /** The page's clock minus the server's. */
  #skew = 0;
  /** Lines up to this seq are in `levels`. */
  #leveled = 0;

  constructor(source: LogSource, changed: () => void, job?: Workload) {
    this.job = job;
    this.#source = source;
    this.#changed = changed;
    this.lines = new RecordWindow((after, limit, signal) => this.#fetch(after, limit, signal), changed);
  }

  get isOpen(): boolean {
    return this.#subscription !== undefined;
  }

  get serverNow(): number {
    return Date.now() - this.#skew;
  }

  /** Begins with the end of the log, or goes on where it was closed. */
  open(): void {
    const from = this.lines.last > 0 ? { after: this.lines.last } : { tail: TAIL };
    this.#subscription ??= this.#source.subscribe(from, (event) => this.#hear(event));
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
      this.actionError = `Could not cancel: ${error instanceof Error ? error.message : String(error)}`;
    }
    this.#changed();
  }

  #hear(event: HubEvent): void {
    if (event.kind === "state") this.status = event;
    else if (event.kind === "frame") this.#take(event.type, event.data);
    else {
      this.#know(event.job);
      this.#extend(event.cursor);
    }
    this.#changed();
  }

  #take(type: string, data: Frame): void {
    switch (type) {
      case "logs":
        for (const record of data.logs ?? []) this.progress.delete(record.source);
        this.lines.append(data.logs ?? []);
        this.#level(data.logs ?? []);
        break;
      case "progress":
        this.#rewrite(data.source ?? "", data.message ?? "");
        break;
      case "done":
        this.progress.clear();
        this.#know(data.job);
        break;
      case "status":
        this.#know(data.job);
        break;
      case "gap":
        // What could not be read is missing between others; only of retention it is known that nothing lies before it.
        if (data["reason"] !== "unreadable") this.lines.removed((data.to ?? 0) + 1);
        break;
      case "reset":
        this.epoch += 1;
        this.progress.clear();
        this.levels.clear();
        this.#leveled = 0;
        this.lines.reset();
        break;
      case "ping":
        if (data.timestamp !== undefined) this.#skew = Date.now() - data.timestamp;
    }
    this.#extend(data.cursor);
    this.#tell(type, data);
  }

  #tell(type: string, data: Frame): void {
    if (type === "logs") this.listener?.records(data.logs ?? []);
    else if (type === "progress") this.listener?.progress(data.source ?? "", data.message ?? "");
    else if (type === "reset") this.listener?.reset();
    else if (type === "done") this.listener?.end();
  }

  /** The server counts levels with each change of state, we what comes between. */
  #know(job: Workload | undefined): void {
    this.job = job ?? this.job;
    if (job?.levels === undefined || job.lines < this.#leveled) return;
    this.#leveled = job.lines;
    this.levels.clear();
    for (const [level, count] of Object.entries(job.levels)) this.levels.set(level as Level, count);
  }

  #level(records: readonly LogRecord[]): void {
    for (const { seq, level } of records) {
      if (seq <= this.#leveled) continue;
      this.levels.set(level, (this.levels.get(level) ?? 0) + 1);
      this.#leveled = seq;
    }
  }

  #rewrite(source: string, message: string): void {
    if (message === "") this.progress.delete(source);
    else this.progress.set(source, message);
  }

  #extend(cursor: unknown): void {
    if (typeof cursor === "number") this.lines.extend(cursor);
  }

  async #fetch(after: number, limit: number, signal: AbortSignal): Promise<readonly LogRecord[]> {
    try {
      return (await this.#source.page({ after, limit }, signal)).records;
    } catch (error) {
      if (error instanceof PermanentError) this.#hear({ kind: "state", rung: "error", message: error.message });
      throw error;
    }
  }
}
