// ONE hub per page: all views ride on one `POST v1/events`; it knows which streams are wanted, and their cursors.
// Knows nothing of views or widgets. It outlives the module that made it and serves views of other module instances
// (anywidget imports the module once per model), so what they use - `subscribe` - stays small and only ever grows.

import { Connection, type Link } from "./connection.js";
import { currentPage, type Page } from "./page.js";
import { serverSkew } from "./skew.js";
import type { Event } from "./sse.js";
import { Topic, workloadOf } from "./topic.js";
import type { Frame, HubEvent, RecordPage, Status, StreamRequest, Subscription, Workload } from "./types.js";
import { isFinal, PROTOCOL } from "./types.js";

/** Changes of the set within this time make one new request. */
export const COLLECT_MS = 50;
/** A stream without subscribers is kept this long: moving, undoing or re-running a cell closes and opens in no time. */
export const LINGER_MS = 1500;
/** A page nobody looks at gives its connection back: browsers have six per host, for all tabs together. */
export const HIDDEN_MS = 10_000;
const POLL_LIMIT = 1000;
/** Workloads remembered as done, so that they are never asked for again. */
const MAX_ENDED = 200;

export const GONE = "This log was deleted from the server, or belongs to another one";

const STREAM = /^(?:workload\/[A-Za-z0-9_-]{1,64}|workloads|requests|service)$/;
const SLOT = Symbol.for("jupyter-logstream.v1");

export class Hub implements Link {
  readonly protocol = PROTOCOL;
  readonly #page: Page;
  readonly #topics = new Map<string, Topic>();
  readonly #connection = new Connection(this);
  /** The streams of the request that is open. */
  #open: readonly string[] = [];
  #collecting: ReturnType<typeof setTimeout> | undefined;
  #hiding: ReturnType<typeof setTimeout> | undefined;
  #paused = false;
  /** Has this server been asked which protocol it speaks? */
  #compared = false;

  constructor(page: Page) {
    this.#page = page;
    page.onVisibility(() => this.#visibility());
    this.#visibility();
  }

  subscribe(request: StreamRequest, listener: (event: HubEvent) => void): Subscription {
    const topic = this.#topics.get(request.stream) ?? new Topic(request);
    if (!STREAM.test(request.stream)) {
      topic.fail(`"${request.stream}" is not the name of a stream.`);
    } else {
      this.#topics.set(request.stream, topic);
      clearTimeout(topic.linger);
    }
    topic.join(listener);
    if (!topic.ended) this.#changed();
    return {
      close: () => this.#leave(topic, listener),
      retryNow: () => this.#retry(topic),
    };
  }

  // --- what the connection asks and tells (Link) ---

  wanted(): boolean {
    return this.#wanted().length > 0;
  }

  open(signal: AbortSignal): Promise<Response> {
    if (!this.#compared) void this.#compare(); // beside the stream, so it costs no time
    const topics = this.#wanted();
    this.#open = topics.map((topic) => topic.stream);
    const body = JSON.stringify({ streams: topics.map((topic) => topic.request()) });
    const headers = { "Content-Type": "application/json", Accept: "text/event-stream" };
    return this.#page.request("v1/events", { method: "POST", body, headers, signal });
  }

  event(event: Event): void {
    const data = parse(event.data);
    if (data === undefined) return;
    if (event.type === "ping") this.#ping(data);
    const topic = this.#topics.get(data.stream ?? "");
    topic?.alive();
    topic?.frame(event.type, data);
  }

  status(status: Status): void {
    if (status.rung === "reconnecting") this.#compared = false; // the server that comes back may be another
    for (const topic of this.#wanted()) topic.tell(status);
  }

  async refused(response: Response): Promise<"again" | "cut" | "end"> {
    const message = await sentence(response);
    if (response.status === 403) {
      for (const topic of this.#wanted()) topic.fail(`Jupyter refuses this log (403): ${message}`);
      return "end";
    }
    if (response.status !== 404) return "cut";
    if (await this.#compare()) return "end";
    // One unknown stream refuses the whole request, so find it and go on with the others.
    const missing = await Promise.all(this.#wanted().map((topic) => this.#isMissing(topic)));
    return missing.includes(true) ? "again" : "cut";
  }

  async poll(signal: AbortSignal): Promise<void> {
    for (const topic of this.#wanted()) {
      if (workloadOf(topic.stream) !== undefined) await this.#pollOne(topic, signal);
    }
  }

  /** Ends everything with a sentence where the server speaks another protocol, or none. */
  async #compare(): Promise<boolean> {
    this.#compared = true;
    const skew = await serverSkew(this.#page).catch(() => undefined); // unreachable: the ladder's business
    if (skew === undefined) return false;
    this.#compared = false;
    for (const topic of this.#wanted()) topic.fail(skew);
    this.#connection.close();
    return true;
  }

  // --- the set of streams ---

  #wanted(): Topic[] {
    return [...this.#topics.values()].filter((topic) => !topic.ended);
  }

  #leave(topic: Topic, listener: (event: HubEvent) => void): void {
    if (!topic.leave(listener) || topic.used) return;
    clearTimeout(topic.linger);
    topic.linger = setTimeout(() => this.#drop(topic), LINGER_MS);
  }

  #drop(topic: Topic): void {
    if (topic.used) return;
    // A workload that is done stays known, so that showing it again opens nothing.
    if (topic.state !== "done") this.#topics.delete(topic.stream);
    const idle = [...this.#topics.values()].filter((other) => other.ended && !other.used);
    for (const old of idle.slice(0, Math.max(0, idle.length - MAX_ENDED))) this.#topics.delete(old.stream);
    this.#changed();
  }

  #retry(topic: Topic): void {
    topic.revive();
    if (this.#connection.running) this.#connection.retryNow();
    this.#changed();
  }

  #changed(): void {
    this.#collecting ??= setTimeout(() => {
      this.#collecting = undefined;
      this.#apply();
    }, COLLECT_MS);
  }

  #apply(): void {
    if (this.#paused) return;
    const wanted = this.#wanted();
    if (wanted.length === 0) this.#connection.close();
    else if (!this.#connection.running) this.#connection.start();
    else if (!this.#covers(wanted)) this.#connection.reopen();
  }

  /** Does the open request carry just what is wanted? Streams that are done cost nothing and may stay in it. */
  #covers(wanted: readonly Topic[]): boolean {
    const rest = new Set(this.#open);
    for (const topic of wanted) if (!rest.delete(topic.stream)) return false;
    return [...rest].every((stream) => this.#topics.get(stream)?.ended);
  }

  // --- the page goes out of sight ---

  #visibility(): void {
    clearTimeout(this.#hiding);
    if (this.#page.hidden()) {
      this.#hiding = setTimeout(() => {
        this.#paused = true;
        this.#connection.close();
      }, HIDDEN_MS);
    } else if (this.#paused) {
      this.#paused = false;
      this.#apply();
    }
  }

  // --- frames that aren't of one stream, and the way without a stream ---

  #ping(data: Frame): void {
    const cursors = (data["cursors"] ?? {}) as { [stream: string]: number | string };
    for (const stream of this.#open) this.#topics.get(stream)?.ping(data, cursors[stream]);
  }

  async #isMissing(topic: Topic): Promise<boolean> {
    const id = workloadOf(topic.stream);
    if (id === undefined) return false;
    const response = await this.#page.request(`v1/workloads/${id}`);
    if (response.status === 404) topic.fail(`${GONE} (404): ${await sentence(response)}`);
    else await response.body?.cancel();
    return response.status === 404;
  }

  async #pollOne(topic: Topic, signal: AbortSignal): Promise<void> {
    const path = `v1/workloads/${workloadOf(topic.stream)}`;
    // The workload first: when it is final, the records asked for after it are all there will be.
    const job = await this.#get<Workload>(topic, path, signal);
    if (job === undefined) return;
    topic.frame("status", { stream: topic.stream, job });
    for (let count = POLL_LIMIT; count === POLL_LIMIT && !signal.aborted; ) {
      const after = topic.start(job.lines);
      const page = await this.#get<RecordPage>(topic, `${path}/records?after=${after}&limit=${POLL_LIMIT}`, signal);
      if (page === undefined) return;
      count = page.records.length;
      const cursor = page.records.at(-1)?.seq ?? after;
      topic.frame("logs", { stream: topic.stream, logs: page.records, cursor });
    }
    if (isFinal(job.state) && !signal.aborted) topic.frame("done", { stream: topic.stream, job });
  }

  async #get<T>(topic: Topic, path: string, signal: AbortSignal): Promise<T | undefined> {
    const response = await this.#page.request(path, { signal });
    if (response.status === 404 || response.status === 403) {
      const said = response.status === 404 ? GONE : "The server refuses this log";
      topic.fail(`${said} (${response.status}): ${await sentence(response)}`);
      return undefined;
    }
    if (!response.ok) throw new Error(`HTTP ${response.status}`);
    return (await response.json()) as T;
  }
}

function parse(text: string): Frame | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? (value as Frame) : undefined;
  } catch {
    return undefined;
  }
}

/** The server's own words, where it sent any. */
async function sentence(response: Response): Promise<string> {
  const body = parse(await response.text().catch(() => ""));
  return typeof body?.message === "string" ? body.message : response.statusText || "no reason given";
}

/** The page's hub: the first module instance that asks makes it, whatever its version. */
export function pageHub(): Hub {
  const page = globalThis as unknown as { [SLOT]?: Hub };
  page[SLOT] ??= new Hub(currentPage());
  return page[SLOT];
}
