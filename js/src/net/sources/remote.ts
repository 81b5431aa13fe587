// Logs that another server keeps, read through the proxy. One that speaks our own protocol is followed as ours is, by a hub
// of its own; of any other we know the simple form only: server-sent events, a line of the log as data, `done` at the end.
// No DOM, no view.

import type { LogSource } from "../../protocol/log-source.js";
import type { Event } from "../../protocol/sse.js";
import type {
  Frame,
  HubEvent,
  LogRecord,
  Status,
  StreamRequest,
  Subscription,
  Workload,
  WorkloadState,
} from "../../protocol/types.js";
import { isFinal } from "../../protocol/types.js";
import { Connection, type Link } from "../connection.js";
import { FetchTransport } from "../fetch-transport.js";
import { Hub } from "../hub.js";
import { currentPage, type Page } from "../page.js";
import { parse } from "../stream-errors.js";
import { BufferedLog } from "./service.js";
import { unavailableLog, workloadSource } from "./source.js";

const NAME = /^[A-Za-z0-9_-]{1,64}$/;
/** Answers after which asking again may help: the proxy could not reach the other server. */
const PASSING = new Set([502, 503, 504]);

/** What has not said by then that it speaks our protocol is asked in the simple form. */
const PATIENCE_MS = 10_000;
/** A log server of somebody else's may have no pings: it may be silent for as long as its program is. */
const SILENCE_MS = 600_000;

const LONGEST_WORDS = 300;

/** One connection per server that is read through the proxy, however many views look at it. */
const hubs = new Map<string, Hub>();

/** The log of a workload of the server that the configuration calls `upstream`, and whether it can be acted on. */
export async function remoteSource(
  upstream: string,
  workload: string,
  page: Page = currentPage(),
): Promise<{ readonly source: LogSource; readonly readOnly: boolean }> {
  if (!NAME.test(upstream)) {
    return { source: unavailableLog(workload, `"${upstream}" is not the name of an upstream.`), readOnly: true };
  }
  const there = pageOf(upstream, page);
  if (await speaksOurs(there, workload)) {
    const hub = hubs.get(there.root.href) ?? new Hub(there, (streams) => new FetchTransport(there, streams));
    hubs.set(there.root.href, hub);
    return { source: workloadSource(workload, there, hub), readOnly: false };
  }
  const follows = new SimpleStream(there, workload);
  return { source: new BufferedLog(follows, { stream: "", workload }), readOnly: true };
}

/** The other server as a page sees its own. */
function pageOf(upstream: string, page: Page): Page {
  const path = `proxy/${upstream}/`;
  return { ...page, root: new URL(path, page.root), request: (below, init) => page.request(path + below, init) };
}

async function speaksOurs(page: Page, workload: string): Promise<boolean> {
  const signal = AbortSignal.timeout(PATIENCE_MS);
  const asked = page.request(`v1/workloads/${encodeURIComponent(workload)}`, { signal });
  const told = await asked.then((response) => (response.ok ? response.text() : "")).catch(() => "");
  const job = parse(told);
  return job?.["id"] === workload && typeof job["state"] === "string";
}

/** A stream of the simple form, told as frames of ours. Goes on behind the last id; without ids lines are counted. */
class SimpleStream implements Link {
  readonly patienceMs = SILENCE_MS;
  readonly #page: Page;
  readonly #workload: string;
  readonly #connection = new Connection(this);
  readonly #opened = Date.now();
  #listener: ((event: HubEvent) => void) | undefined;
  #seen = 0;
  #skip = 0;
  #lastId = "";
  #job: Workload;

  constructor(page: Page, workload: string) {
    this.#page = page;
    this.#workload = workload;
    this.#job = this.#jobOf("running");
  }

  subscribe(_request: StreamRequest, listener: (event: HubEvent) => void): Subscription {
    this.#listener = listener;
    const close = () => {
      this.#listener = undefined;
      this.#connection.close();
    };
    queueMicrotask(() => {
      if (this.wanted()) this.#connection.start();
      else this.#tellEnd();
    });
    return { close, retryNow: () => this.#connection.retryNow() };
  }

  wanted(): boolean {
    return !isFinal(this.#job.state) && this.#listener !== undefined;
  }

  complete(): boolean {
    return isFinal(this.#job.state);
  }

  open(signal: AbortSignal): Promise<Response> {
    this.#skip = this.#lastId === "" ? this.#seen : 0; // a server without ids begins again
    const from = this.#lastId === "" ? {} : { "Last-Event-ID": this.#lastId };
    const headers = { Accept: "text/event-stream", ...from };
    return this.#page.request(`v1/workloads/${encodeURIComponent(this.#workload)}/logs`, { headers, signal });
  }

  event({ type, data, id }: Event): void {
    if (type === "done") {
      const said = parse(data)?.["state"] as WorkloadState | undefined;
      this.#job = this.#jobOf(said !== undefined && isFinal(said) ? said : "succeeded", parse(data) ?? {});
      this.#tellEnd();
    } else if (type !== "message") return;
    else if (this.#skip > 0) this.#skip -= 1;
    else {
      this.#seen += 1;
      this.#lastId = id;
      this.#tell("logs", { logs: [recordOf(this.#seen, data)] });
    }
  }

  async room(): Promise<void> {}

  poll(): Promise<void> {
    return Promise.reject(new Error("The simple form has no pages."));
  }

  async refused(response: Response): Promise<"again" | "cut" | "end"> {
    const text = await response.text().catch(() => "");
    if (PASSING.has(response.status)) return "cut";
    const isOurs = parse(text)?.["reason"] === "unknown_upstream"; // the proxy's own words
    const who = isOurs ? "The server answers" : "The other server answers";
    const message = `${who} ${response.status}: ${wordsOf(response, text)}`;
    this.#listener?.({ kind: "state", rung: "error", message });
    return "end";
  }

  status(status: Status): void {
    if (isFinal(this.#job.state)) return;
    this.#listener?.({ kind: "state", ...status });
    if (status.rung === "live") this.#tell("status", { job: { ...this.#job, lines: this.#seen } });
  }

  #tellEnd(): void {
    this.#tell("done", { job: this.#job });
    this.#listener?.({ kind: "state", rung: "done" });
  }

  #tell(type: string, data: Frame): void {
    this.#listener?.({ kind: "frame", type, data });
  }

  #jobOf(state: WorkloadState, said: object = {}): Workload {
    const unknown = { command: null, started: null, ended: null, exit_code: null, signal: null, error: null };
    const id = this.#workload;
    return { name: id, created: this.#opened, ...unknown, ...said, id, state, lines: this.#seen };
  }
}

/** What an error says, in one of the forms that servers have for it. */
function wordsOf({ headers, statusText }: Response, text: string): string {
  const { message, detail, error } = parse(text) ?? {};
  const said = [message, detail, error].find((value) => typeof value === "string" && value !== "");
  if (typeof said === "string") return said;
  const isPlain = headers.get("content-type")?.startsWith("text/plain") ?? false;
  return (isPlain && text.trim().slice(0, LONGEST_WORDS)) || statusText || "no reason given";
}

function recordOf(seq: number, message: string): LogRecord {
  return { seq, ts: Date.now(), level: "unknown", message, source: "stdout" };
}
