// Logs of another server, read through the proxy. Page.
// A server that speaks our protocol gets a hub of its own. Of any other only the simple form is supported: server-sent
// events, one line of the log as data, `done` at the end. No DOM, no view.

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
import { Connection, type ConnectionHandler, type Ending } from "../connection.js";
import { FetchTransport } from "../fetch-transport.js";
import { parseFrame } from "../frame.js";
import { Hub } from "../hub.js";
import { currentPage, type Page } from "../page.js";
import { BufferedLog } from "./service.js";
import { unavailableLog, workloadSource } from "./source.js";

const UPSTREAM_NAME = /^[A-Za-z0-9_-]{1,64}$/;
/** Statuses that can pass: the proxy could not reach the other server. */
const TRANSIENT_STATUSES = new Set([502, 503, 504]);

/** A server that has not answered by then that it speaks our protocol is read in the simple form. */
const DETECTION_TIMEOUT_MS = 10_000;
/** Idle timeout of a foreign server: without pings it is silent for as long as its program is. */
const FOREIGN_IDLE_TIMEOUT_MS = 600_000;

/** Of an error in plain text; the rest is cut off. */
const MAX_ERROR_CHARS = 300;

/** One hub, thus one connection, per server that is read through the proxy. */
const hubs = new Map<string, Hub>();

/** The log of a workload on the upstream of this name, and whether its workload can only be read. */
export async function remoteSource(
  upstream: string,
  workload: string,
  page: Page = currentPage(),
): Promise<{ readonly source: LogSource; readonly readOnly: boolean }> {
  if (!UPSTREAM_NAME.test(upstream)) {
    return { source: unavailableLog(workload, `"${upstream}" is not the name of an upstream.`), readOnly: true };
  }
  const there = proxiedPage(upstream, page);
  if (await speaksProtocol(there, workload)) {
    const hub = hubs.get(there.root.href) ?? new Hub(there, (streams) => new FetchTransport(there, streams));
    hubs.set(there.root.href, hub);
    return { source: workloadSource(workload, there, hub), readOnly: false };
  }
  const stream = new SimpleStream(there, workload);
  return { source: new BufferedLog(stream, { stream: "", workload }), readOnly: true };
}

/** The environment of a connection to the other server. */
function proxiedPage(upstream: string, page: Page): Page {
  const path = `proxy/${upstream}/`;
  return { ...page, root: new URL(path, page.root), request: (below, init) => page.request(path + below, init) };
}

async function speaksProtocol(page: Page, workload: string): Promise<boolean> {
  const signal = AbortSignal.timeout(DETECTION_TIMEOUT_MS);
  const response = page.request(`v1/workloads/${encodeURIComponent(workload)}`, { signal });
  const text = await response.then((answer) => (answer.ok ? answer.text() : "")).catch(() => "");
  const job = parseFrame(text);
  return job?.["id"] === workload && typeof job["state"] === "string";
}

/** A stream of the simple form, as frames of our protocol. Resumes after the last id; without ids, after the line count. */
class SimpleStream implements ConnectionHandler {
  readonly idleTimeoutMs = FOREIGN_IDLE_TIMEOUT_MS;
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
      if (this.isNeeded()) this.#connection.start();
      else this.#emitEnd();
    });
    return { close, retryNow: () => this.#connection.retryNow() };
  }

  isNeeded(): boolean {
    return !isFinal(this.#job.state) && this.#listener !== undefined;
  }

  isComplete(): boolean {
    return isFinal(this.#job.state);
  }

  open(signal: AbortSignal): Promise<Response> {
    this.#skip = this.#lastId === "" ? this.#seen : 0; // a server without ids starts from the beginning
    const from = this.#lastId === "" ? {} : { "Last-Event-ID": this.#lastId };
    const headers = { Accept: "text/event-stream", ...from };
    return this.#page.request(`v1/workloads/${encodeURIComponent(this.#workload)}/logs`, { headers, signal });
  }

  onEvent({ type, data, id }: Event): void {
    if (type === "done") {
      const fields = parseFrame(data) ?? {};
      const state = fields["state"] as WorkloadState | undefined;
      this.#job = this.#jobOf(state !== undefined && isFinal(state) ? state : "succeeded", fields);
      this.#emitEnd();
    } else if (type !== "message") return;
    else if (this.#skip > 0) this.#skip -= 1;
    else {
      this.#seen += 1;
      this.#lastId = id;
      this.#emit("logs", { logs: [recordOf(this.#seen, data)] });
    }
  }

  async drained(): Promise<void> {}

  poll(): Promise<void> {
    return Promise.reject(new Error("The simple form has no pages."));
  }

  async onRejected(response: Response): Promise<Ending> {
    const text = await response.text().catch(() => "");
    if (TRANSIENT_STATUSES.has(response.status)) return "cut";
    const isOurs = parseFrame(text)?.["reason"] === "unknown_upstream"; // an error of the proxy itself
    const who = isOurs ? "The server answers" : "The other server answers";
    const message = `${who} ${response.status}: ${errorText(response, text)}`;
    this.#listener?.({ kind: "state", rung: "error", message });
    return "end";
  }

  onUnreadable(message: string): void {
    this.#listener?.({ kind: "state", rung: "error", message });
  }

  onStatus(status: Status): void {
    if (isFinal(this.#job.state)) return;
    this.#listener?.({ kind: "state", ...status });
    if (status.rung === "live") this.#emit("status", { job: { ...this.#job, lines: this.#seen } });
  }

  #emitEnd(): void {
    this.#emit("done", { job: this.#job });
    this.#listener?.({ kind: "state", rung: "done" });
  }

  #emit(type: string, data: Frame): void {
    this.#listener?.({ kind: "frame", type, data });
  }

  #jobOf(state: WorkloadState, fields: object = {}): Workload {
    const unknown = { command: null, started: null, ended: null, exit_code: null, signal: null, error: null };
    const id = this.#workload;
    return { name: id, created: this.#opened, ...unknown, ...fields, id, state, lines: this.#seen };
  }
}

/** The message of an error response, in one of the common forms. */
function errorText({ headers, statusText }: Response, text: string): string {
  const { message, detail, error } = parseFrame(text) ?? {};
  const found = [message, detail, error].find((value) => typeof value === "string" && value !== "");
  if (typeof found === "string") return found;
  const isPlain = headers.get("content-type")?.startsWith("text/plain") ?? false;
  return (isPlain && text.trim().slice(0, MAX_ERROR_CHARS)) || statusText || "no reason given";
}

function recordOf(seq: number, message: string): LogRecord {
  return { seq, ts: Date.now(), level: "unknown", message, source: "stdout" };
}
