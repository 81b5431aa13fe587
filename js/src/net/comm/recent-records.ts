// The newest records that the kernel has pushed, so that a view made again while the kernel is busy has its lines. Page.
// Bounded per log: the oldest are dropped. It answers ranges that it has completely, as the server would.

import { workloadOf } from "../../protocol/stream.js";
import type { Frame, LogRecord, RecordPage } from "../../protocol/types.js";

/** Characters of the records of one log; beyond, the oldest half is dropped. */
const MAX_CHARS = 1_000_000;
/** Logs; of more, the one that was created first is forgotten. */
const MAX_LOGS = 20;

const RANGE = /^v1\/workloads\/([A-Za-z0-9_-]+)\/records\?after=(\d+)&limit=(\d+)$/;

interface Recent {
  records: LogRecord[];
  chars: number;
}

export class RecentRecords {
  readonly #logs = new Map<string, Recent>();

  /** Adds a frame of a workload's stream without a filter. */
  add(workload: string, type: string, data: Frame): void {
    if (type === "reset") this.#logs.delete(workload);
    if (type !== "logs") return;
    const log = this.#logOf(workload);
    for (const record of data.logs ?? []) {
      const last = log.records.at(-1)?.seq;
      if (last !== undefined && record.seq <= last) continue; // sent again after a reconnect
      if (last !== undefined && record.seq !== last + 1) {
        log.records = []; // records were skipped: a range has no holes
        log.chars = 0;
      }
      log.records.push(record);
      log.chars += record.message.length;
    }
    if (log.chars <= MAX_CHARS) return;
    log.records = log.records.slice(Math.ceil(log.records.length / 2));
    log.chars = log.records.reduce((sum, { message }) => sum + message.length, 0);
  }

  /** The answer to a request for a range of records; undefined unless the whole range is here. */
  answer(path: string): RecordPage | undefined {
    const [, workload = "", after, limit] = RANGE.exec(path) ?? [];
    const records = this.#logs.get(workload)?.records ?? [];
    const [first, last] = [records[0]?.seq, records.at(-1)?.seq];
    if (first === undefined || last === undefined) return undefined;
    const [from, to] = [Number(after) + 1, Math.min(Number(after) + Number(limit), last)];
    if (from < first || from > to) return undefined;
    return { records: records.slice(from - first, to - first + 1), total: last, next: null, state: "running" };
  }

  #logOf(workload: string): Recent {
    let log = this.#logs.get(workload);
    if (log === undefined) {
      log = { records: [], chars: 0 };
      this.#logs.set(workload, log);
      for (const oldest of this.#logs.keys()) {
        if (this.#logs.size <= MAX_LOGS) break;
        this.#logs.delete(oldest);
      }
    }
    return log;
  }
}

/** The workload whose complete log this stream is, or undefined. */
export function completeLogOf(stream: { readonly stream: string; readonly filter: object }): string | undefined {
  return Object.keys(stream.filter).length === 0 ? workloadOf(stream.stream) : undefined;
}
