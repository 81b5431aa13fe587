// The values of protocol v1 as the page sees them, and the small contracts between hub, lines and views.
// Knows no I/O and no DOM, so every file may import it.

/** The version of the protocol that this page speaks. */
export const PROTOCOL = 1;

export type Level = "trace" | "debug" | "info" | "warn" | "error" | "fatal" | "unknown";

/** One line of output, or one published log record. Immutable; `seq` counts 1, 2, 3 ... without holes. */
export interface LogRecord {
  readonly seq: number;
  readonly ts: number;
  readonly level: Level;
  readonly message: string;
  readonly source: "stdout" | "stderr" | "log" | "system";
  readonly step?: string;
  readonly part?: boolean;
  readonly fields?: Readonly<{ [name: string]: unknown }>;
}

export type WorkloadState = "queued" | "running" | "succeeded" | "failed" | "cancelled" | "timed_out" | "lost";

/** A part of a workload that its output names. Times in Unix ms. */
export interface Step {
  readonly name: string;
  readonly state: WorkloadState;
  readonly started: number;
  readonly ended: number | null;
}

export interface Workload {
  readonly id: string;
  readonly name: string | null;
  readonly command: string | readonly string[] | null;
  readonly state: WorkloadState;
  readonly created: number;
  readonly started: number | null;
  readonly ended: number | null;
  readonly exit_code: number | null;
  readonly signal: string | number | null;
  readonly error: string | null;
  readonly lines: number;
  readonly levels?: Readonly<{ [level in Level]?: number }>;
  /** In order of first start. */
  readonly steps?: readonly Step[];
  readonly tags?: Readonly<{ [name: string]: string }>;
  readonly backend?: string;
}

/** What a notebook keeps of a workload that has ended: for the day when its log is gone. */
export interface SavedLog {
  readonly job: Workload;
  readonly lines: readonly string[];
  readonly error?: { readonly seq: number; readonly title: string; readonly repeats: number } | undefined;
}

/** What `GET v1/workloads/{id}/records` answers. */
export interface RecordPage {
  readonly records: readonly LogRecord[];
  readonly total: number;
  readonly next: number | null;
  readonly state: WorkloadState;
}

/** A seq of a workload, or `<epoch>.<seq>` of an endless stream: opaque except to the dedup of records. */
export type Cursor = number | string;

/** Which rung of the ladder a stream is on. `done` and `error` end it. */
export type ConnectionState = "connecting" | "live" | "reconnecting" | "polling" | "done" | "error";

export interface Status {
  readonly rung: ConnectionState;
  /** When the next attempt is due (ms), while reconnecting. */
  readonly retryAt?: number;
  /** A sentence for people, for `error`. */
  readonly message?: string;
}

/** The data of any frame; which names are present depends on its type. `cursor`: where the stream stands after it. */
export interface Frame {
  readonly stream?: string;
  readonly cursor?: Cursor;
  readonly logs?: readonly LogRecord[];
  readonly job?: Workload;
  readonly source?: string;
  readonly message?: string;
  readonly from?: number;
  readonly to?: number;
  readonly timestamp?: number;
  readonly [name: string]: unknown;
}

/**
 * What a hub tells its subscribers. `snapshot` comes first to who joins a workload's stream that is already followed:
 * everything up to `cursor` is history (fetch it by range), everything after it will come as frames. It may come again,
 * after a time in which the page took nothing. The endless streams have no ranges: there a `reset` comes first, then
 * frames with all there is.
 */
export type HubEvent =
  | { readonly kind: "snapshot"; readonly job?: Workload; readonly cursor?: Cursor }
  | { readonly kind: "frame"; readonly type: string; readonly data: Frame }
  | ({ readonly kind: "state" } & Status);

/** Which records of a stream; nothing given: all of them. */
export interface StreamFilter {
  /** This level and above. */
  readonly level?: Level | undefined;
  /** Exactly these. */
  readonly levels?: readonly Level[] | undefined;
  readonly step?: string | undefined;
  readonly source?: LogRecord["source"] | undefined;
  /** Text, or a regular expression between slashes. */
  readonly q?: string | undefined;
  /** Text, or a regular expression between slashes: what holds it is left out. */
  readonly not?: string | undefined;
}

/** Views that ask for the same stream with the same filter share it; with another filter it is another stream. */
export interface StreamRequest extends StreamFilter {
  readonly stream: string;
  readonly after?: Cursor | undefined;
  readonly tail?: number | undefined;
}

export interface Subscription {
  close(): void;
  retryNow(): void;
}

export function isFinal(state: WorkloadState): boolean {
  return state !== "queued" && state !== "running";
}
