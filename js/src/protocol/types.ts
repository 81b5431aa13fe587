// Values of protocol v1, and the events between hub, sources and views. Page and shared worker. Types, no I/O.

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

/** A step of a workload, named by a marker in its output. Times in Unix ms. */
export interface Step {
  readonly name: string;
  readonly state: WorkloadState;
  readonly started: number;
  readonly ended: number | null;
}

/** What a function gave: `value`, or the `exception` (as `text` where it can't be rebuilt) that ended it. */
export interface Result {
  readonly kind: string;
  readonly type: string;
  readonly repr: string;
}

export interface Workload {
  readonly id: string;
  readonly name: string | null;
  readonly command: string | readonly string[] | null;
  /** The call of a function as code; null for a command. */
  readonly call?: string | null;
  readonly result?: Result | null;
  readonly state: WorkloadState;
  readonly created: number;
  readonly started: number | null;
  readonly ended: number | null;
  readonly exit_code: number | null;
  readonly signal: string | number | null;
  readonly error: string | null;
  readonly lines: number;
  /** Secrets that were replaced in its output. */
  readonly masked?: number;
  readonly levels?: Readonly<{ [level in Level]?: number }>;
  /** In order of first start. */
  readonly steps?: readonly Step[];
  readonly tags?: Readonly<{ [name: string]: string }>;
  readonly backend?: string;
  /** Why it is in this state, as its backend reports it: `stopping` after a cancel or timeout. */
  readonly reason?: string | null;
  /** The machine that runs it; null if the backend does not report it. */
  readonly node?: string | null;
  /** The connection to its machine, while it is lost: what is shown is as old as `since` (Unix ms). */
  readonly link?: LostLink | null;
}

export interface LostLink {
  readonly state: "down";
  readonly since: number;
  /** A cancel was accepted and is sent when the connection is back. */
  readonly cancel_pending: boolean;
}

/** The part of an ended workload that is saved in the notebook, shown when its log is gone. */
export interface SavedLog {
  readonly job: Workload;
  readonly lines: readonly string[];
  readonly error?: { readonly seq: number; readonly title: string; readonly repeats: number } | undefined;
}

/** The answer of `GET v1/workloads/{id}/records`. */
export interface RecordPage {
  readonly records: readonly LogRecord[];
  readonly total: number;
  readonly next: number | null;
  readonly state: WorkloadState;
}

/** The seq of a workload log, or `<epoch>.<seq>` of an endless stream; opaque except for deduplication. */
export type Cursor = number | string;

/** The connection state of a stream (field `rung`): the steps of degradation from live to polling. `done`, `error` end it. */
export type ConnectionState = "connecting" | "live" | "reconnecting" | "polling" | "done" | "error";

export type KernelState = "waiting" | "gone";

export interface Status {
  readonly rung: ConnectionState;
  /** When the next attempt is due (ms), while reconnecting. */
  readonly retryAt?: number;
  /** A message for the user, with `error`. */
  readonly message?: string;
  /** Of a connection through the kernel: a request waits for the busy kernel, or the kernel has ended. */
  readonly kernel?: KernelState | undefined;
}

/** The data of any frame; the type determines the fields. `cursor`: the position of the stream after it. */
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
 * An event for a subscriber of a hub. `snapshot` is the first event for a subscriber of a workload log that is followed
 * already: records up to `cursor` are history (fetch them by range), later ones arrive as frames. It is repeated after a
 * time in which the page was detached. Endless streams have no ranges: a `reset`, then frames with the whole content.
 */
export type HubEvent =
  | { readonly kind: "snapshot"; readonly job?: Workload; readonly cursor?: Cursor }
  | { readonly kind: "frame"; readonly type: string; readonly data: Frame }
  | ({ readonly kind: "state" } & Status);

/** A filter of records; no option: all records. */
export interface StreamFilter {
  /** This level and above. */
  readonly level?: Level | undefined;
  /** Exactly these. */
  readonly levels?: readonly Level[] | undefined;
  readonly step?: string | undefined;
  readonly source?: LogRecord["source"] | undefined;
  /** Text, or a regular expression between slashes. */
  readonly q?: string | undefined;
  /** Text, or a regular expression between slashes: matching records are excluded. */
  readonly not?: string | undefined;
}

/** Subscribers with the same stream and filter share one followed stream. */
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
