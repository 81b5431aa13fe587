// A real HTTP server with the parts of protocol v1 that the tests of the hub need: v1/events, workloads, records.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Page } from "../../src/net/page.js";
import type { StreamQuery } from "../../src/net/worker/worker-messages.js";
import { isFinal, type LogRecord, type Workload, type WorkloadState } from "../../src/protocol/types.js";
import { record, workload } from "./workload.js";

interface Followed {
  readonly request: StreamQuery;
  cursor: number;
  done: boolean;
}

interface Reader {
  readonly response: ServerResponse;
  readonly streams: Followed[];
}

/** An endless stream: its frames in the current epoch. */
interface Endless {
  readonly epoch: number;
  readonly frames: { readonly type: string; readonly data: object }[];
}

const idOf = (stream: string) => stream.slice("workload/".length);
/** As the protocol has it: at most 2,000 records or 256 KiB in a frame. */
function batches(logs: readonly LogRecord[]): LogRecord[][] {
  const found: LogRecord[][] = [];
  let chars = Number.POSITIVE_INFINITY;
  for (const one of logs) {
    chars += one.message.length;
    if (chars > 262_144 || found.at(-1)?.length === 2000) {
      found.push([]);
      chars = one.message.length;
    }
    found.at(-1)?.push(one);
  }
  return found;
}

const nameOf = ({ id, stream }: StreamQuery) => id ?? stream;
const matches = ({ step, levels }: StreamQuery, record: LogRecord) =>
  (step === undefined || record.step === step) && (levels === undefined || levels.includes(record.level));

export class LogServer {
  readonly jobs = new Map<string, { job: Workload; records: LogRecord[] }>();
  readonly endless = new Map<string, Endless>();
  /** The body of each `POST v1/events`, refused ones included. */
  readonly requests: StreamQuery[][] = [];
  /** Requests for one of these streams are refused. */
  readonly refused = new Map<string, { readonly status: number; readonly message: string }>();
  /** Requests for more streams than this are refused. */
  most = 1000;
  /** The XSRF header of each request. */
  readonly xsrf: (string | undefined)[] = [];
  readonly readers = new Set<Reader>();
  polls = 0;
  /** Answers every request with this status. */
  status = 0;
  /** Whether a proxy in front of the server answers with that status instead, with a page for people. */
  isProxys = false;
  hidden = false;
  /** The response of `v1/info`; undefined: a server without the extension. */
  protocol: number | undefined = 1;
  #server: Server | undefined;
  #visibility: (() => void)[] = [];
  page: Page | undefined;

  async start(): Promise<Page> {
    const server = createServer((request, response) => void this.#answer(request, response));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    this.#server = server;
    const root = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/logstream/`);
    return {
      root,
      request: (path, init) => fetch(new URL(path, root), init),
      hidden: () => this.hidden,
      onVisibility: (listener) => this.#visibility.push(listener),
    };
  }

  async stop(): Promise<void> {
    this.cut();
    this.#server?.closeAllConnections();
    await new Promise((resolve) => this.#server?.close(resolve));
  }

  add(id: string, lines = 0): void {
    this.jobs.set(id, { job: workload({ id, name: id, lines: 0 }), records: [] });
    this.print(id, lines);
  }

  print(id: string, lines: number, changes: Partial<LogRecord> = {}): void {
    const entry = this.jobs.get(id);
    if (entry === undefined) return;
    for (let i = 0; i < lines; i++) entry.records.push(record(entry.records.length + 1, changes));
    entry.job = { ...entry.job, lines: entry.records.length };
    this.#flush();
  }

  end(id: string, state: WorkloadState = "succeeded"): void {
    const entry = this.jobs.get(id);
    if (entry !== undefined) entry.job = { ...entry.job, state, exit_code: 0 };
    this.#flush();
  }

  /** Sends a frame to all readers of this workload. */
  send(id: string, type: string, data: object): void {
    for (const reader of this.readers) this.#write(reader, type, { stream: `workload/${id}`, ...data });
  }

  /** Sends the data of a frame as text, which need not be JSON, to all readers. */
  sendText(type: string, data: string): void {
    for (const reader of this.readers) reader.response.write(`event: ${type}\ndata: ${data}\n\n`);
  }

  /** Appends a frame to an endless stream. */
  append(stream: string, type: string, data: object): void {
    const found = this.endless.get(stream) ?? { epoch: 1, frames: [] };
    this.endless.set(stream, found);
    found.frames.push({ type, data });
    this.#flush();
  }

  /** Starts a new epoch of an endless stream. */
  clear(stream: string): void {
    const epoch = (this.endless.get(stream)?.epoch ?? 0) + 1;
    this.endless.set(stream, { epoch, frames: [] });
    for (const reader of this.readers) {
      for (const followed of reader.streams) {
        if (followed.request.stream === stream) this.#reset(reader, followed);
      }
    }
  }

  ping(): void {
    for (const reader of this.readers) {
      const cursors = Object.fromEntries(
        reader.streams.map(({ request, cursor }) => [nameOf(request), this.#cursor(request.stream, cursor)]),
      );
      this.#write(reader, "ping", { timestamp: Date.now(), cursors });
    }
  }

  cut(): void {
    for (const reader of this.readers) reader.response.destroy();
  }

  show(visible: boolean): void {
    this.hidden = !visible;
    for (const listener of this.#visibility) listener();
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let body = "";
    for await (const chunk of request) body += chunk;
    const url = new URL(request.url ?? "/", "http://localhost");
    const path = url.pathname.replace("/logstream/", "");
    this.xsrf.push(request.headers["x-xsrftoken"]?.toString());
    if (path === "v1/events") this.requests.push((JSON.parse(body) as { streams: StreamQuery[] }).streams);
    if (this.protocol === undefined) this.#json(response, 404, { message: "Not Found", reason: null });
    else if (this.status !== 0 && this.isProxys) {
      response.writeHead(this.status, { "content-type": "text/html" });
      response.end("<!doctype html><p>Your server is stopped</p>");
    } else if (this.status !== 0) this.#json(response, this.status, { message: "refused by the test", reason: "test" });
    else if (path === "v1/events") this.#events(response, this.requests.at(-1) ?? []);
    else this.#rest(response, path, url);
  }

  #events(response: ServerResponse, streams: StreamQuery[]): void {
    const refusal = streams.map(({ stream }) => this.refused.get(stream)).find((found) => found !== undefined);
    const unknown = streams.find(({ stream }) => !this.jobs.has(idOf(stream)) && !this.endless.has(stream));
    if (streams.length > this.most) this.#json(response, 400, { message: "too many", reason: "test" });
    else if (refusal !== undefined) this.#json(response, refusal.status, { message: refusal.message, reason: "test" });
    else if (new Set(streams.map(nameOf)).size < streams.length) {
      this.#json(response, 400, { message: "a stream is given twice", reason: "invalid_parameter" });
    } else if (unknown !== undefined) {
      this.#json(response, 404, { message: `unknown stream ${unknown.stream}`, reason: "not_found" });
    } else this.#serve(response, streams);
  }

  #serve(response: ServerResponse, streams: StreamQuery[]): void {
    response.writeHead(200, { "content-type": "text/event-stream", connection: "close" });
    response.write("retry: 1000\n\n");
    const reader: Reader = {
      response,
      streams: streams.map((request) => ({ request, cursor: this.#start(request), done: false })),
    };
    this.readers.add(reader);
    response.on("close", () => this.readers.delete(reader));
    for (const followed of reader.streams) {
      const { request } = followed;
      const job = this.jobs.get(idOf(request.stream))?.job;
      if (job !== undefined) this.#write(reader, "status", { stream: nameOf(request), job, steps: [] });
      else if (followed.cursor === -1) this.#reset(reader, followed);
    }
    this.#flush();
  }

  /** Index of a reader's first frame; -1: its cursor is of another epoch. */
  #start({ stream, after, tail }: StreamQuery): number {
    const [epoch, seq] = String(after ?? "").split(".");
    const endless = this.endless.get(stream);
    if (endless !== undefined && after !== undefined) return Number(epoch) === endless.epoch ? Number(seq) : -1;
    const length = endless?.frames.length ?? this.jobs.get(idOf(stream))?.job.lines ?? 0;
    return Number(after ?? (tail === undefined ? 0 : Math.max(0, length - tail)));
  }

  #reset(reader: Reader, followed: Followed): void {
    followed.cursor = 0;
    const { stream } = followed.request;
    this.#write(reader, "reset", {
      stream: nameOf(followed.request),
      reason: "epoch",
      cursor: this.#cursor(stream, 0),
    });
  }

  #cursor(stream: string, cursor: number): number | string {
    const endless = this.endless.get(stream);
    return endless === undefined ? cursor : `${endless.epoch}.${cursor}`;
  }

  #flush(): void {
    for (const reader of this.readers) {
      for (const followed of reader.streams) {
        if (this.endless.has(followed.request.stream)) this.#flushEndless(reader, followed);
        else this.#flushLog(reader, followed);
      }
      if (reader.streams.every(({ done }) => done)) reader.response.end();
    }
  }

  #flushEndless(reader: Reader, followed: Followed): void {
    const { stream } = followed.request;
    for (const { type, data } of this.endless.get(stream)?.frames.slice(followed.cursor) ?? []) {
      followed.cursor += 1;
      const cursor = this.#cursor(stream, followed.cursor);
      this.#write(reader, type, { stream: nameOf(followed.request), cursor, ...data });
    }
  }

  #flushLog(reader: Reader, followed: Followed): void {
    const entry = this.jobs.get(idOf(followed.request.stream));
    if (entry === undefined || followed.done) return;
    const stream = nameOf(followed.request);
    const logs = entry.records.slice(followed.cursor).filter((one) => matches(followed.request, one));
    followed.cursor = entry.records.length;
    const { cursor } = followed;
    for (const batch of batches(logs)) {
      const at = batch.at(-1) === logs.at(-1) ? cursor : batch.at(-1)?.seq;
      this.#write(reader, "logs", { stream, job_id: entry.job.id, logs: batch, cursor: at });
    }
    followed.done = isFinal(entry.job.state);
    if (followed.done) this.#write(reader, "done", { ...entry.job, stream, cursor });
  }

  #rest(response: ServerResponse, path: string, url: URL): void {
    if (path === "v1/info") {
      const installed = this.protocol !== undefined;
      this.#json(response, installed ? 200 : 404, installed ? { protocol: this.protocol } : { message: "Not Found" });
      return;
    }
    const [, , id, what] = path.split("/");
    if (id === undefined) {
      const limit = Number(url.searchParams.get("limit"));
      const workloads = [...this.jobs.values()].map(({ job }) => job).reverse();
      const next = workloads.length > limit ? workloads[limit - 1]?.id : null;
      this.#json(response, 200, { workloads: workloads.slice(0, limit), next });
      return;
    }
    const entry = this.jobs.get(id);
    if (entry === undefined) this.#json(response, 404, { message: `no workload ${id}`, reason: "not_found" });
    else if (what === undefined) this.#json(response, 200, entry.job);
    else {
      this.polls += 1;
      const { step, after, offset, limit } = Object.fromEntries(url.searchParams) as { [name: string]: string };
      const found = entry.records.filter((one) => step === undefined || one.step === step);
      const rest = found.filter(({ seq }) => seq > Number(after ?? 0)).slice(Number(offset ?? 0));
      const records = rest.slice(0, Number(limit));
      const next = rest.length > records.length ? records.at(-1)?.seq : null;
      this.#json(response, 200, { records, total: found.length, next, state: entry.job.state });
    }
  }

  #json(response: ServerResponse, status: number, value: unknown): void {
    response.writeHead(status, { "content-type": "application/json" });
    response.end(JSON.stringify(value));
  }

  #write(reader: Reader, type: string, data: object): void {
    reader.response.write(`event: ${type}\ndata: ${JSON.stringify(data)}\n\n`);
  }
}
