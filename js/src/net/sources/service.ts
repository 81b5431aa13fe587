// Logs without a route for ranges: the Jupyter server's own, and those in the simple form (remote.ts). Page.
// The newest records are buffered here; older ones are dropped, which the view sees as a `gap`, as after retention. No DOM.

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

/** Records of a log that are buffered; beyond, the oldest are dropped. */
export const MAX_BUFFERED_RECORDS = 5000;
/** Records dropped at once, so that the list is not moved for each line. */
const DROP_BATCH = 500;

type Listener = (event: HubEvent) => void;
/** The part of a hub that is used here. */
interface Subscribable {
  subscribe(request: StreamRequest, listener: Listener): Subscription;
}

/** The log of the Jupyter server, for one view. */
export function serviceSource(hub: Subscribable = pageHub()): LogSource {
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
  readonly #hub: Subscribable;
  readonly #stream: string;
  /** Oldest first. */
  #records: LogRecord[] = [];
  #last = 0;
  #cursor: string | undefined;
  readonly #filtered = new Set<{ matches: (record: LogRecord) => boolean; listener: Listener }>();

  constructor(hub: Subscribable, { stream, workload = "", title }: BufferedLogOptions) {
    this.#hub = hub;
    this.#stream = stream;
    this.workload = workload;
    if (title !== undefined) this.title = title;
  }

  /** Resumes where it was closed; records already buffered are not delivered again. */
  subscribe(request: Omit<StreamRequest, "stream">, listener: Listener): Subscription {
    const { after: _after, tail: _tail, ...filter } = request;
    if (!isEmpty(filter)) return this.#subscribeFiltered(filter, listener);
    const from = this.#cursor === undefined ? { tail: MAX_BUFFERED_RECORDS } : { after: this.#cursor };
    return this.#hub.subscribe({ stream: this.#stream, ...from }, (event) => {
      if (event.kind === "frame") this.#applyFrame(event.type, event.data, listener);
      else if (event.kind === "state") listener(event);
    });
  }

  /** New records that match, out of the one subscription without a filter. */
  #subscribeFiltered(filter: StreamFilter, listener: Listener): Subscription {
    const filtered = { matches: accepts(filter), listener };
    this.#filtered.add(filtered);
    return { close: () => void this.#filtered.delete(filtered), retryNow: () => {} };
  }

  async page({ after = 0, offset = 0, limit, ...filter }: RecordQuery): Promise<RecordPage> {
    const found = this.#records.filter(accepts(filter));
    const from = found.findIndex((record) => record.seq > after);
    const records = from === -1 ? [] : found.slice(from + offset, from + offset + limit);
    return { records, total: found.length, next: null, state: "running" };
  }

  async matchDensity(filter: StreamFilter, buckets: number): Promise<MatchDensity> {
    const seqs = await this.seqs(filter, 0, MAX_BUFFERED_RECORDS);
    const marks = new Array<number>(buckets).fill(0);
    const first = this.#records[0]?.seq ?? 1;
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
    return Promise.reject(new PermanentError("This log has no workload that can be cancelled."));
  }

  #applyFrame(type: string, data: Frame, listener: Listener): void {
    if (typeof data.cursor === "string") this.#cursor = data.cursor;
    if (type === "logs") {
      this.#add(data, listener);
      return;
    }
    if (type === "reset") {
      this.#records = [];
      this.#last = 0;
    }
    if (type === "gap") this.#last = Math.max(this.#last, data.to ?? 0);
    listener({ kind: "frame", type, data });
  }

  #add(data: Frame, listener: Listener): void {
    const logs = (data.logs ?? []).filter((record) => record.seq > this.#last);
    const [first, last] = [logs[0], logs.at(-1)];
    if (first === undefined || last === undefined) return;
    if (first.seq > this.#last + 1) this.#emitGap(first.seq - 1, listener);
    this.#records.push(...logs);
    this.#last = last.seq;
    listener({ kind: "frame", type: "logs", data: { ...data, logs } });
    for (const { matches, listener: other } of this.#filtered) {
      const matching = logs.filter(matches);
      if (matching.length > 0) other({ kind: "frame", type: "logs", data: { logs: matching } });
    }
    if (this.#records.length <= MAX_BUFFERED_RECORDS + DROP_BATCH) return;
    this.#records = this.#records.slice(-MAX_BUFFERED_RECORDS);
    this.#emitGap((this.#records[0]?.seq ?? 1) - 1, listener);
  }

  #emitGap(to: number, listener: Listener): void {
    listener({ kind: "frame", type: "gap", data: { from: 1, to, reason: "not_kept" } });
  }
}
