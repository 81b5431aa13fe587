// One log as it stands in the page: its workload, its lines, what is being written, and how we are connected.
// Fed by a source, told to nobody but through `changed`; no DOM, so that any view may show it.

import { Lines, Refused } from "./lines.js";
import type { LogSource } from "./source.js";
import type { Frame, HubEvent, LogRecord, Status, Subscription, Workload } from "./types.js";

/** Records asked for at first: fills any viewport, in one answer. */
const TAIL = 200;

export class Log {
  readonly lines: Lines;
  /** The line being written, per source. */
  readonly progress = new Map<string, string>();
  job: Workload | undefined;
  status: Status = { rung: "connecting" };
  /** What went wrong with something the user did, in a sentence. */
  trouble = "";
  cancelling = false;
  /** Counts how often the stream began again from nothing. */
  epoch = 0;
  readonly #source: LogSource;
  readonly #changed: () => void;
  #subscription: Subscription | undefined;
  /** The page's clock minus the server's. */
  #skew = 0;

  constructor(source: LogSource, changed: () => void, job?: Workload) {
    this.job = job;
    this.#source = source;
    this.#changed = changed;
    this.lines = new Lines((after, limit, signal) => this.#fetch(after, limit, signal), changed);
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
    this.trouble = "";
    this.lines.retry();
    this.#subscription?.retryNow();
  }

  async cancel(): Promise<void> {
    this.cancelling = true;
    this.trouble = "";
    this.#changed();
    try {
      await this.#source.cancel();
    } catch (error) {
      this.cancelling = false;
      this.trouble = `Could not cancel: ${error instanceof Error ? error.message : String(error)}`;
    }
    this.#changed();
  }

  #hear(event: HubEvent): void {
    if (event.kind === "state") this.status = event;
    else if (event.kind === "frame") this.#take(event.type, event.data);
    else {
      this.job = event.job ?? this.job;
      this.#extend(event.cursor);
    }
    this.#changed();
  }

  #take(type: string, data: Frame): void {
    switch (type) {
      case "logs":
        for (const record of data.logs ?? []) this.progress.delete(record.source);
        this.lines.append(data.logs ?? []);
        break;
      case "progress":
        this.#rewrite(data.source ?? "", data.message ?? "");
        break;
      case "done":
        this.progress.clear();
        this.job = data.job;
        break;
      case "status":
        this.job = data.job;
        break;
      case "gap":
        this.lines.removed((data.to ?? 0) + 1);
        break;
      case "reset":
        this.epoch += 1;
        this.progress.clear();
        this.lines.reset();
        break;
      case "ping":
        if (data.timestamp !== undefined) this.#skew = Date.now() - data.timestamp;
    }
    this.#extend(data.cursor);
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
      return await this.#source.records(after, limit, signal);
    } catch (error) {
      if (error instanceof Refused) this.#hear({ kind: "state", rung: "error", message: error.message });
      throw error;
    }
  }
}
