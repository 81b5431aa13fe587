// Time constants of the page's connection, replaceable for tests. Page and shared worker.
//
// Browser tests set `globalThis.__logstream_timings__ = { HIDDEN_MS: 500, BACKOFF_MS: [100, 200] }` before the page's first
// view is shown (Playwright: `page.add_init_script`); unnamed constants keep their default. The page sends the object to
// the shared worker in its `hello` message, so one assignment covers both. Nothing in production sets it.

export const DEFAULT_TIMINGS = {
  /** After a change of the set of streams, further ones within this time are sent as one request. */
  COLLECT_MS: 50,
  /** A page hidden for this long closes its connection: browsers allow six per host, for all tabs together. */
  HIDDEN_MS: 10_000,
  /** A stream without listeners stays open this long: moving or re-running a cell closes and reopens its view at once. */
  LINGER_MS: 1500,
  /** Delays before reconnecting, the last one repeats; after the last one, polling runs beside the attempts. */
  BACKOFF_MS: [1000, 2000, 4000, 8000, 16_000] as readonly number[],
  /** A stream without a byte for this long is broken: the server pings every 5 s. */
  STALL_MS: 15_000,
  /** Pause between two rounds of polling. */
  POLL_MS: 3000,
  /** A shared worker that has not answered by then is given up. */
  GREETING_MS: 2000,
  /** Interval of the heartbeats between page and worker. */
  HEARTBEAT_MS: 5000,
};

export type Timings = typeof DEFAULT_TIMINGS;

const realm = globalThis as { __logstream_timings__?: Partial<Timings> };

/** The time constants of now: the defaults, and what a test has replaced. */
export function timings(): Timings {
  return realm.__logstream_timings__ === undefined
    ? DEFAULT_TIMINGS
    : { ...DEFAULT_TIMINGS, ...realm.__logstream_timings__ };
}

/** What a test has replaced; undefined in production. */
export function timingOverrides(): Partial<Timings> | undefined {
  return realm.__logstream_timings__;
}

/** Takes over the replacements of another realm: the worker those of the page that greets it. */
export function overrideTimings(overrides: Partial<Timings> | undefined): void {
  if (overrides !== undefined) realm.__logstream_timings__ = overrides;
}
