// Polling of a stream that cannot be received over SSE: its pages by range. Page and shared worker.
// Knows the routes; connection.ts decides when to poll. A stream without pages (`service`) is skipped.

import type { Figures, Row } from "../protocol/request-log.js";
import { queryOf, workloadOf } from "../protocol/stream.js";
import type { Cursor, RecordPage, Workload } from "../protocol/types.js";
import { isFinal } from "../protocol/types.js";
import type { FollowedStream } from "./followed-stream.js";
import { UNREADABLE } from "./frame.js";
import type { Page } from "./page.js";
import { failIfRejected } from "./stream-errors.js";

/** Records of one page. */
const MAX_RECORDS = 1000;
/** The newest workloads: older ones change rarely, and the stream brings their changes once it is back. */
const MAX_WORKLOADS = 200;
/** The newest rows of the request log. */
const MAX_ROWS = 200;

interface WorkloadPage {
  readonly workloads: readonly Workload[];
  readonly next: string | null;
}

/** One round of polling; throws if the server is unreachable. */
export async function poll(page: Page, stream: FollowedStream, signal: AbortSignal): Promise<void> {
  if (stream.stream === "workloads") await pollWorkloads(page, stream, signal);
  else if (stream.stream === "requests") await pollRequests(page, stream, signal);
  else if (workloadOf(stream.stream) !== undefined) await pollRecords(page, stream, signal);
}

async function pollWorkloads(page: Page, stream: FollowedStream, signal: AbortSignal): Promise<void> {
  const limit = Math.min(Math.max(stream.tail ?? MAX_WORKLOADS, 1), MAX_WORKLOADS);
  const found = await get<WorkloadPage>(page, stream, `v1/workloads?limit=${limit}`, signal);
  if (found !== undefined) stream.applyPolledWorkloads(found.workloads, found.next === null);
}

async function pollRequests(page: Page, stream: FollowedStream, signal: AbortSignal): Promise<void> {
  const limit = Math.min(Math.max(stream.tail ?? MAX_ROWS, 1), MAX_ROWS);
  const found = await get<{ readonly requests: readonly Row[] }>(page, stream, `v1/requests?limit=${limit}`, signal);
  const figures = await get<Figures>(page, stream, "v1/requests/stats", signal);
  if (found !== undefined && figures !== undefined) stream.applyPolledRequests(found.requests, figures);
}

async function pollRecords(page: Page, stream: FollowedStream, signal: AbortSignal): Promise<void> {
  const path = `v1/workloads/${workloadOf(stream.stream)}`;
  // The workload first: if it is final, the records requested after it are complete.
  const job = await get<Workload>(page, stream, path, signal);
  if (job === undefined) return;
  stream.applyFrame("status", { stream: stream.stream, job, steps: job.steps ?? [] });
  const filter = queryOf(stream.filter);
  let from = await firstPage(page, stream, `${path}/records?limit=1${filter}`, job, signal);
  for (let hasMore = true; hasMore && !signal.aborted; ) {
    const range = `${path}/records?${from ?? `after=${stream.startAt(0)}`}&limit=${MAX_RECORDS}${filter}`;
    from = undefined;
    const found = await get<RecordPage>(page, stream, range, signal);
    if (found === undefined) return;
    hasMore = found.next !== null; // a page of long lines ends before its limit
    const cursor: Cursor = found.records.at(-1)?.seq ?? stream.startAt(0);
    stream.applyFrame("logs", { stream: stream.stream, logs: found.records, cursor });
  }
  if (isFinal(job.state) && !signal.aborted) stream.applyFrame("done", { stream: stream.stream, job });
}

/** The query of the first page: the last `tail` lines; with a filter the matching ones are counted first. */
async function firstPage(
  page: Page,
  stream: FollowedStream,
  count: string,
  job: Workload,
  signal: AbortSignal,
): Promise<string | undefined> {
  if (stream.cursor !== undefined) return undefined;
  if (stream.tail === undefined || Object.keys(stream.filter).length === 0) {
    stream.startAt(job.lines);
    return undefined;
  }
  const found = await get<RecordPage>(page, stream, count, signal);
  return found === undefined ? undefined : `offset=${Math.max(0, found.total - stream.tail)}`;
}

async function get<T>(page: Page, stream: FollowedStream, path: string, signal: AbortSignal): Promise<T | undefined> {
  const response = await page.request(path, { signal });
  if (await failIfRejected(stream, response)) return undefined;
  if (!response.ok) throw new Error(`HTTP ${response.status}`);
  try {
    return (await response.json()) as T;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    stream.fail(UNREADABLE); // another request would bring the same
    return undefined;
  }
}
