// Logs without a route for ranges as the views see them: the Jupyter server's own, and those in the simple form (remote.ts).
// What a view may look at is kept here: the newest MAX_BUFFERED_RECORDS records; that older ones went is told like a retention. No DOM.

import { PermanentError } from "../../protocol/errors.js";
import type { LogSource, MatchDensity, RecordQuery } from "../../protocol/log-source.js";
import { accepts, isEmpty } from "../../protocol/query.js";
import type {
  Frame,
  HubEvent,
  LogRecord,
  RecordPage,
  StreamFilter,
  StreamRequest,
  Subscription,
} from "../../protocol/types.js";
import { pageHub } from "../hub.js";

export const MAX_BUFFERED_RECORDS = 5000;
/** Let go in strokes of so many: not a move of the whole list per line. */
const STROKE = 500;

type Listener = (event: HubEvent) => void;
/** What we use of a hub. */
interface Streams {
  subscribe(request: StreamRequest, listener: Listener): Subscription;
}

/** A log for one view. */
export function serviceSource(hub: Streams = pageHub()): LogSource {
  return new BufferedLog(hub, { stream: "service", title: "Jupyter server log" });
}

export interface BufferedLogOptions {
  readonly stream: string;
  readonly workload?: string;
  readonly title?: string;
}

export class BufferedLog implements LogSource {
  readonly workload: string;
  declare readonly title?: string;
  readonly downloadUrl = "";
  readonly #hub: Streams;
  readonly #stream: string;
  /** Oldest first. */
  #kept: LogRecord[] = [];
  #last = 0;
  #cursor: string | undefined;
  readonly #pickers = new Set<{ matches: (record: LogRecord) => boolean; listener: Listener }>();

  constructor(hub: Streams, { stream, workload = "", title }: BufferedLogOptions) {
    this.#hub = hub;
    this.#stream = stream;
    this.workload = workload;
    if (title !== undefined) this.title = title;
  }

  /** Goes on where it was closed. What others on the page have heard meanwhile may come once more: it is not told twice. */
  subscribe(asked: Omit<StreamRequest, "stream">, listener: Listener): Subscription {
    const { after: _after, tail: _tail, ...filter } = asked;
    if (!isEmpty(filter)) return this.#pick(filter, listener);
    const from = this.#cursor === undefined ? { tail: MAX_BUFFERED_RECORDS } : { after: this.#cursor };
    return this.#hub.subscribe({ stream: this.#stream, ...from }, (event) => {
      if (event.kind === "frame") this.#take(event.type, event.data, listener);
      else if (event.kind === "state") listener(event);
    });
  }

  /** New records that match, out of those that come anyway. */
  #pick(filter: StreamFilter, listener: Listener): Subscription {
    const picker = { matches: accepts(filter), listener };
    this.#pickers.add(picker);
    return { close: () => void this.#pickers.delete(picker), retryNow: () => {} };
  }

  async page({ after = 0, offset = 0, limit, ...filter }: RecordQuery): Promise<RecordPage> {
    const found = this.#kept.filter(accepts(filter));
    const from = found.findIndex((record) => record.seq > after);
    const records = from === -1 ? [] : found.slice(from + offset, from + offset + limit);
    return { records, total: found.length, next: null, state: "running" };
  }

  async matchDensity(filter: StreamFilter, buckets: number): Promise<MatchDensity> {
    const seqs = await this.seqs(filter, 0, MAX_BUFFERED_RECORDS);
    const marks = new Array<number>(buckets).fill(0);
    const first = this.#kept[0]?.seq ?? 1;
    for (const seq of seqs) {
      const at = Math.floor(((seq - first) / (this.#last + 1 - first)) * buckets);
      marks[at] = (marks[at] ?? 0) + 1;
    }
    return { total: seqs.length, first, last: this.#last, marks };
  }

  async seqs(filter: StreamFilter, after: number, limit: number): Promise<readonly number[]> {
    return (await this.page({ ...filter, after, limit })).records.map((record) => record.seq);
  }

  cancel(): Promise<void> {
    return Promise.reject(new PermanentError("This log cannot be cancelled from here."));
  }

  #take(type: string, data: Frame, listener: Listener): void {
    if (typeof data.cursor === "string") this.#cursor = data.cursor;
    if (type === "logs") {
      this.#add(data, listener);
      return;
    }
    if (type === "reset") {
      this.#kept = [];
      this.#last = 0;
    }
    if (type === "gap") this.#last = Math.max(this.#last, data.to ?? 0);
    listener({ kind: "frame", type, data });
  }

  #add(data: Frame, listener: Listener): void {
    const logs = (data.logs ?? []).filter((record) => record.seq > this.#last);
    const [first, last] = [logs[0], logs.at(-1)];
    if (first === undefined || last === undefined) return;
    if (first.seq > this.#last + 1) this.#tellGap(first.seq - 1, listener);
    this.#kept.push(...logs);
    this.#last = last.seq;
    listener({ kind: "frame", type: "logs", data: { ...data, logs } });
    for (const picker of this.#pickers) {
      const picked = logs.filter(picker.matches);
      if (picked.length > 0) picker.listener({ kind: "frame", type: "logs", data: { logs: picked } });
    }
    if (this.#kept.length <= MAX_BUFFERED_RECORDS + STROKE) return;
    this.#kept = this.#kept.slice(-MAX_BUFFERED_RECORDS);
    this.#tellGap((this.#kept[0]?.seq ?? 1) - 1, listener);
  }

  #tellGap(to: number, listener: Listener): void {
    listener({ kind: "frame", type: "gap", data: { from: 1, to, reason: "not_kept" } });
  }
}
