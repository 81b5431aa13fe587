// The source of a log, as views use it: live events, ranges, matches and the summary. Types only.

import type { HubEvent, Level, LogRecord, RecordPage, StreamFilter, StreamRequest, Subscription } from "./types.js";

export type LevelCounts = Readonly<Partial<Record<Level, number>>>;

/** Lines over time by level: part of the answer of `GET v1/workloads/{id}/summary`. */
export interface Timeline {
  /** Start of the first bucket, end of the last one, length of each (ms). */
  readonly from: number;
  readonly to: number;
  readonly bucket: number;
  readonly buckets: readonly { readonly ts: number; readonly seq: number | null; readonly counts: LevelCounts }[];
  /** Seq of the newest line considered. */
  readonly last: number;
}

/** The timeline with the totals it was made from. */
export interface Summary extends Omit<Timeline, "last"> {
  /** Matching lines, all lines, and the seq of the oldest retained line. */
  readonly total: number;
  readonly lines: number;
  readonly first: number;
}

/** The answer of `GET .../summary`, as far as it is shown. */
export interface LogSummary extends Summary {
  readonly first_error: LogRecord | null;
  readonly errors: number;
}

/** A range of records: up to `limit` after the seq `after`, or from the match number `offset` on. */
export interface RecordQuery extends StreamFilter {
  readonly after?: number;
  readonly offset?: number;
  readonly limit: number;
}

/** The number of matching records, in all and in each of the equally long parts of the log. */
export interface MatchDensity {
  readonly total: number;
  /** Seq of the oldest and of the newest record, matching or not. */
  readonly first: number;
  readonly last: number;
  readonly marks: readonly number[];
  /** The last line that was searched, if the search ran out of processor time. */
  readonly stopped?: number;
}

export interface LogSource {
  readonly workload: string;
  /** Present for a log without a workload: it has no end, and can be neither cancelled nor downloaded. */
  readonly title?: string;
  readonly downloadUrl: string;
  /** Address of exports, to which the name of a format is added; absent where the server has none. */
  readonly exportUrl?: string;
  /** The complete log, where the browser cannot load `downloadUrl`: it would have no route to the server. */
  download?(signal: AbortSignal): Promise<Blob>;
  subscribe(from: Omit<StreamRequest, "stream">, listener: (event: HubEvent) => void): Subscription;
  /** A range of the matching records; throws `PermanentError` if repeating the request is of no use. */
  page(query: RecordQuery, signal: AbortSignal): Promise<RecordPage>;
  /** The distribution of the matches over `buckets` parts of the log. */
  matchDensity(filter: StreamFilter, buckets: number, signal: AbortSignal): Promise<MatchDensity>;
  /** The summary of the log; absent for logs that the server does not count. */
  summary?(filter: StreamFilter, buckets: number, signal: AbortSignal): Promise<LogSummary>;
  /** The seqs of up to `limit` matches after `after`. */
  seqs(filter: StreamFilter, after: number, limit: number, signal: AbortSignal): Promise<readonly number[]>;
  cancel(): Promise<void>;
}
