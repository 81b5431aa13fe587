// What a refused request means: one stream that is unknown, malformed or not allowed refuses all that were asked for with
// it, so the culprit is found, told why, and the others go on. Knows status codes and the server's words.

import { workloadOf } from "../protocol/stream.js";
import type { Frame } from "../protocol/types.js";
import type { FollowedStream } from "./followed-stream.js";
import type { Page } from "./page.js";

export const GONE = "This log was deleted from the server, or belongs to another one";

const EXPLAINED: { readonly [status: number]: string } = {
  400: "The server does not understand what was asked of this log",
  403: "Jupyter refuses this log",
  404: GONE,
  422: "The server cannot do what was asked of this log",
};

/** `again` at once, without those that were told an error; on the next rung; or not any more. */
export type Verdict = "again" | "cut" | "end";

/** Asks for these streams over one connection. */
export function askFor(page: Page, topics: readonly FollowedStream[], signal?: AbortSignal): Promise<Response> {
  const body = JSON.stringify({ streams: topics.map((topic) => topic.request()) });
  const headers = { "Content-Type": "application/json", Accept: "text/event-stream" };
  return page.request("v1/events", { method: "POST", body, headers, ...(signal === undefined ? {} : { signal }) });
}

/** Tells the streams that are to blame for this answer why, and says what becomes of the others. */
export async function judge(page: Page, topics: readonly FollowedStream[], response: Response): Promise<Verdict> {
  const { status } = response;
  if (EXPLAINED[status] === undefined) {
    await response.body?.cancel();
    return "cut"; // the server's trouble, not the request's
  }
  const message = `(${status}): ${await sentence(response)}`;
  if (status === 404) {
    const missing = await Promise.all(topics.map((topic) => isMissing(page, topic)));
    return missing.includes(true) ? "again" : "cut";
  }
  const suspects = topics.length === 1 ? topics : topics.filter((topic) => isNamed(topic, message));
  if (suspects.length === 1) fail(suspects, status, message);
  // A login that has ended refuses them all alike: no use in asking for each.
  else if (status === 403 && topics.every(({ stream }) => stream !== "service")) fail(topics, status, message);
  else if (!(await askEach(page, topics))) fail(topics, status, message);
  return topics.every(({ ended }) => ended) ? "end" : "again";
}

/** Tells a stream that can't be had why, where asking again is of no use. */
export async function refuse(topic: FollowedStream, response: Response): Promise<boolean> {
  if (EXPLAINED[response.status] === undefined) return false;
  fail([topic], response.status, `(${response.status}): ${await sentence(response)}`);
  return true;
}

export function parse(text: string): Frame | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? (value as Frame) : undefined;
  } catch {
    return undefined;
  }
}

function fail(topics: readonly FollowedStream[], status: number, message: string): void {
  for (const topic of topics) {
    const what = topic.stream === "workloads" ? "list" : "log"; // the request log is one, too
    topic.fail(`${EXPLAINED[status]?.replace("log", what)} ${message}`);
  }
}

/** Does the server speak of this stream? The names of endless ones are words, so they must be called streams. */
function isNamed({ stream, name }: FollowedStream, message: string): boolean {
  const plain = workloadOf(stream) === undefined || name !== stream ? `stream ["'\`]?${name}` : `(?<![\\w/-])${name}`;
  return new RegExp(`${plain}(?![\\w-])`).test(message);
}

/** One after the other; was one of them refused? */
async function askEach(page: Page, topics: readonly FollowedStream[]): Promise<boolean> {
  let found = false;
  for (const topic of topics) {
    const response = await askFor(page, [topic]);
    if (await refuse(topic, response)) found = true;
    else await response.body?.cancel();
  }
  return found;
}

async function isMissing(page: Page, topic: FollowedStream): Promise<boolean> {
  const id = workloadOf(topic.stream);
  if (id === undefined) return false;
  const response = await page.request(`v1/workloads/${id}`);
  if (response.status === 404) return await refuse(topic, response);
  await response.body?.cancel();
  return false;
}

/** The server's own words, where it sent any. */
async function sentence(response: Response): Promise<string> {
  const body = parse(await response.text().catch(() => ""));
  return typeof body?.message === "string" ? body.message : response.statusText || "no reason given";
}
