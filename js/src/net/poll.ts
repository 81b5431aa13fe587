// Following a stream without one: its pages, asked for again and again. Knows the routes; when it is done is the ladder's
// business (connection.ts). A stream that has no pages is left as it is.

import type { Figures, Row } from "../protocol/request-log.js";
import { queryOf, workloadOf } from "../protocol/stream.js";
import type { Cursor, RecordPage, Workload } from "../protocol/types.js";
import { isFinal } from "../protocol/types.js";
import type { FollowedStream } from "./followed-stream.js";
import type { Page } from "./page.js";
import { refuse } from "./stream-errors.js";

const RECORDS = 1000;
/** The newest workloads: what lies further down a table changes rarely, and the stream will tell. */
const WORKLOADS = 200;

/** The newest calls. */
const ROWS = 200;

interface WorkloadPage {
  readonly workloads: readonly Workload[];
  readonly next: string | null;
}

/** One round; throws where the server can't be reached. */
export async function poll(page: Page, topic: FollowedStream, signal: AbortSignal): Promise<void> {
  if (topic.stream === "workloads") await pollWorkloads(page, topic, signal);
  else if (topic.stream === "requests") await pollRequests(page, topic, signal);
  else if (workloadOf(topic.stream) !== undefined) await pollRecords(page, topic, signal);
}

async function pollWorkloads(page: Page, topic: FollowedStream, signal: AbortSignal): Promise<void> {
  const limit = Math.min(Math.max(topic.tail ?? WORKLOADS, 1), WORKLOADS);
  const found = await get<WorkloadPage>(page, topic, `v1/workloads?limit=${limit}`, signal);
  if (found !== undefined) topic.polled(found.workloads, found.next === null);
}

async function pollRequests(page: Page, topic: FollowedStream, signal: AbortSignal): Promise<void> {
  const limit = Math.min(Math.max(topic.tail ?? ROWS, 1), ROWS);
  const found = await get<{ readonly requests: readonly Row[] }>(page, topic, `v1/requests?limit=${limit}`, signal);
  const figures = await get<Figures>(page, topic, "v1/requests/stats", signal);
  if (found !== undefined && figures !== undefined) topic.polledRows(found.requests, figures);
}

async function pollRecords(page: Page, topic: FollowedStream, signal: AbortSignal): Promise<void> {
  const path = `v1/workloads/${workloadOf(topic.stream)}`;
  // The workload first: when it is final, the records asked for after it are all there will be.
  const job = await get<Workload>(page, topic, path, signal);
  if (job === undefined) return;
  topic.frame("status", { stream: topic.stream, job, steps: job.steps ?? [] });
  const filter = queryOf(topic.filter);
  let from = await firstPage(page, topic, `${path}/records?limit=1${filter}`, job, signal);
  for (let count = RECORDS; count === RECORDS && !signal.aborted; ) {
    const asked = `${path}/records?${from ?? `after=${topic.start(0)}`}&limit=${RECORDS}${filter}`;
    from = undefined;
    const found = await get<RecordPage>(page, topic, asked, signal);
    if (found === undefined) return;
    count = found.records.length;
    const cursor: Cursor = found.records.at(-1)?.seq ?? topic.start(0);
    topic.frame("logs", { stream: topic.stream, logs: found.records, cursor });
  }
  if (isFinal(job.state) && !signal.aborted) topic.frame("done", { stream: topic.stream, job });
}

/** Where to begin: with the last so many lines; those that match a filter have to be counted. */
async function firstPage(
  page: Page,
  topic: FollowedStream,
  count: string,
  job: Workload,
  signal: AbortSignal,
): Promise<string | undefined> {
  if (topic.cursor !== undefined) return undefined;
  if (topic.tail === undefined || Object.keys(topic.filter).length === 0) {
    topic.start(job.lines);
    return undefined;
  }
  const found = await get<RecordPage>(page, topic, count, signal);
  return found === undefined ? undefined : `offset=${Math.max(0, found.total - topic.tail)}`;
}

async function get<T>(page: Page, topic: FollowedStream, path: string, signal: AbortSignal): Promise<T | undefined> {
  const response = await page.request(path, { signal });
  if (await refuse(topic, response)) return undefined;
  if (!response.ok) throw new Error(`HTTP ${response.status}`);
  return (await response.json()) as T;
}
