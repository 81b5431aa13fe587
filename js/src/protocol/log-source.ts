// The contract of a log as the views see it: live events, ranges, matches and the summary. Types only.

import type { HubEvent, Level, LogRecord, RecordPage, StreamFilter, StreamRequest, Subscription } from "./types.js";

export type LevelCounts = Readonly<Partial<Record<Level, number>>>;

/** What `GET v1/workloads/{id}/summary` says of lines over time; it says more. */
export interface Timeline {
  /** The first bucket's begin, the last one's end, and how long each is. */
  readonly from: number;
  readonly to: number;
  readonly bucket: number;
  readonly buckets: readonly { readonly ts: number; readonly seq: number | null; readonly counts: LevelCounts }[];
  /** The newest line that was counted or left out. */
  readonly last: number;
}

/** What the server's summary says beside its timeline, as far as it is needed here. */
export interface Summary extends Omit<Timeline, "last"> {
  /** Lines that match, lines in all, and the first line that is kept. */
  readonly total: number;
  readonly lines: number;
  readonly first: number;
}

/** What `GET .../summary` says, as far as it is shown. */
export interface LogSummary extends Summary {
  readonly first_error: LogRecord | null;
  readonly errors: number;
}

/** Which records, in which form they are asked for: after a seq, or from the k-th match on. */
export interface RecordQuery extends StreamFilter {
  readonly after?: number;
  readonly offset?: number;
  readonly limit: number;
}

/** How many records match, and how many of them lie in each part of the log, all parts being of the same length. */
export interface MatchDensity {
  readonly total: number;
  /** Seq of the oldest and of the newest record, matching or not. */
  readonly first: number;
  readonly last: number;
  readonly marks: readonly number[];
}

export interface LogSource {
  readonly workload: string;
  /** Of a log that is no workload's: it has no end, is kept nowhere, and there is nothing to cancel or to download. */
  readonly title?: string;
  readonly downloadUrl: string;
  subscribe(from: Omit<StreamRequest, "stream">, listener: (event: HubEvent) => void): Subscription;
  /** Records that match, of the whole log; throws `PermanentError` where asking again is of no use. */
  page(asked: RecordQuery, signal: AbortSignal): Promise<RecordPage>;
  /** Where in the log the matches lie. */
  matchDensity(filter: StreamFilter, buckets: number, signal: AbortSignal): Promise<MatchDensity>;
  /** What the log comes to; absent where nobody counts. */
  summary?(filter: StreamFilter, buckets: number, signal: AbortSignal): Promise<LogSummary>;
  /** The seqs of up to `limit` matches after `after`. */
  seqs(filter: StreamFilter, after: number, limit: number, signal: AbortSignal): Promise<readonly number[]>;
  cancel(): Promise<void>;
}
