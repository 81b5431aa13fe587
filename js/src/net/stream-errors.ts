// Rejected requests of several streams: finds the stream at fault, reports the reason to it, lets the others go on.
// Page and shared worker. One stream that is unknown, malformed or forbidden makes the server reject the whole request.

import { workloadOf } from "../protocol/stream.js";
import type { Ending } from "./connection.js";
import type { FollowedStream } from "./followed-stream.js";
import { parseFrame } from "./frame.js";
import type { Page } from "./page.js";

export const NOT_FOUND = "This log was deleted from the server, or belongs to another server";

/** Statuses for which repeating the request is of no use, and what they mean for the user. */
const EXPLAINED: { readonly [status: number]: string } = {
  400: "The server does not understand the request for this log",
  403: "Jupyter does not allow access to this log",
  404: NOT_FOUND,
  422: "The server cannot process the request for this log",
};

/** Longest address of a GET that every proxy passes on. */
const MAX_URL_CHARS = 4000;

/** Requests these streams over one connection: by GET from a page that has no credentials for POST. */
export async function requestStreams(
  page: Page,
  streams: readonly FollowedStream[],
  signal: AbortSignal | null = null,
): Promise<Response> {
  const queries = streams.map((stream) => stream.query());
  const accept = { Accept: "text/event-stream" };
  if (page.canPost !== undefined && !(await page.canPost())) {
    const url = `v1/events?${queries.map((query) => `stream=${encodeURIComponent(JSON.stringify(query))}`).join("&")}`;
    if (url.length <= MAX_URL_CHARS) return page.request(url, { headers: accept, signal });
  }
  const headers = { ...accept, "Content-Type": "application/json" };
  return page.request("v1/events", { method: "POST", body: JSON.stringify({ streams: queries }), headers, signal });
}

/** Ends the streams that caused this rejection with its reason, and returns what becomes of the connection. */
export async function handleRejection(
  page: Page,
  streams: readonly FollowedStream[],
  response: Response,
): Promise<Ending> {
  const { status } = response;
  if (!isRejection(response)) {
    await response.body?.cancel();
    return "cut"; // a failure of the server, not of the request
  }
  const reason = `(${status}): ${await reasonOf(response)}`;
  if (status === 404) {
    const missing = await Promise.all(streams.map((stream) => failIfMissing(page, stream)));
    return missing.includes(true) ? "again" : "cut";
  }
  const suspects = streams.length === 1 ? streams : streams.filter((stream) => isNamed(stream, reason));
  if (suspects.length === 1) fail(suspects, status, reason);
  // An expired login rejects all of them: no use in requesting each.
  else if (status === 403 && streams.every(({ stream }) => stream !== "service")) fail(streams, status, reason);
  else if (!(await requestEach(page, streams))) fail(streams, status, reason);
  return streams.every(({ ended }) => ended) ? "end" : "again";
}

/** Ends the stream with the reason if repeating the request is of no use. True if it did. */
export async function failIfRejected(stream: FollowedStream, response: Response): Promise<boolean> {
  if (!isRejection(response)) return false;
  fail([stream], response.status, `(${response.status}): ${await reasonOf(response)}`);
  return true;
}

/** Is the request rejected for good? A 403 that is no JSON is a proxy's: JupyterHub's while the server is stopped. */
function isRejection({ status, headers }: Response): boolean {
  if (status === 403 && !(headers.get("content-type") ?? "").includes("json")) return false;
  return EXPLAINED[status] !== undefined;
}

function fail(streams: readonly FollowedStream[], status: number, reason: string): void {
  for (const stream of streams) {
    const what = stream.stream === "workloads" ? "list" : "log"; // the request log is a log, too
    const advice = status === 403 ? ". If the login has expired, reload the page" : "";
    stream.fail(`${EXPLAINED[status]?.replace("log", what)} ${reason}${advice}`);
  }
}

/** Does the server's reason name this stream? Names of endless streams are plain words: they must follow "stream". */
function isNamed({ stream, name }: FollowedStream, reason: string): boolean {
  const plain = workloadOf(stream) === undefined || name !== stream ? `stream ["'\`]?${name}` : `(?<![\\w/-])${name}`;
  return new RegExp(`${plain}(?![\\w-])`).test(reason);
}

/** Requests one stream after the other. True if one of them was rejected. */
async function requestEach(page: Page, streams: readonly FollowedStream[]): Promise<boolean> {
  let found = false;
  for (const stream of streams) {
    const response = await requestStreams(page, [stream]);
    if (await failIfRejected(stream, response)) found = true;
    else await response.body?.cancel();
  }
  return found;
}

async function failIfMissing(page: Page, stream: FollowedStream): Promise<boolean> {
  const id = workloadOf(stream.stream);
  if (id === undefined) return false;
  const response = await page.request(`v1/workloads/${id}`);
  if (response.status === 404) return await failIfRejected(stream, response);
  await response.body?.cancel();
  return false;
}

/** The message of the server, if it sent one. */
async function reasonOf(response: Response): Promise<string> {
  const body = parseFrame(await response.text().catch(() => ""));
  return typeof body?.message === "string" ? body.message : response.statusText || "no reason given";
}
