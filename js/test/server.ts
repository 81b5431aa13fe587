// A real HTTP server that speaks as much of protocol v1 as the hub's tests need: v1/events, workloads and records.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Page } from "../src/core/page.js";
import { isFinal, type LogRecord, type StreamRequest, type Workload, type WorkloadState } from "../src/core/types.js";
import { record, workload } from "./workload.js";

interface Reader {
  readonly response: ServerResponse;
  readonly streams: { request: StreamRequest; cursor: number; done: boolean }[];
}

const idOf = (stream: string) => stream.slice("workload/".length);

export class LogServer {
  readonly jobs = new Map<string, { job: Workload; records: LogRecord[] }>();
  /** The body of each `POST v1/events`, refused ones included. */
  readonly requests: StreamRequest[][] = [];
  readonly readers = new Set<Reader>();
  polls = 0;
  /** Answers every request with this status. */
  status = 0;
  hidden = false;
  /** What `v1/info` says; undefined: a server without the extension. */
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

  print(id: string, lines: number): void {
    const entry = this.jobs.get(id);
    if (entry === undefined) return;
    for (let i = 0; i < lines; i++) entry.records.push(record(entry.records.length + 1));
    entry.job = { ...entry.job, lines: entry.records.length };
    this.#flush();
  }

  end(id: string, state: WorkloadState = "succeeded"): void {
    const entry = this.jobs.get(id);
    if (entry !== undefined) entry.job = { ...entry.job, state, exit_code: 0 };
    this.#flush();
  }

  /** A frame of any kind to all that read this workload. */
  send(id: string, type: string, data: object): void {
    for (const reader of this.readers) this.#write(reader, type, { stream: `workload/${id}`, ...data });
  }

  ping(): void {
    for (const reader of this.readers) {
      const cursors = Object.fromEntries(reader.streams.map(({ request, cursor }) => [request.stream, cursor]));
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
    if (path === "v1/events") this.requests.push((JSON.parse(body) as { streams: StreamRequest[] }).streams);
    if (this.protocol === undefined) this.#json(response, 404, { message: "Not Found", reason: null });
    else if (this.status !== 0) this.#json(response, this.status, { message: "as told", reason: "test" });
    else if (path === "v1/events") this.#events(response, this.requests.at(-1) ?? []);
    else this.#rest(response, path, url);
  }

  #events(response: ServerResponse, streams: StreamRequest[]): void {
    const unknown = streams.find(({ stream }) => !this.jobs.has(idOf(stream)));
    if (unknown !== undefined) {
      this.#json(response, 404, { message: `unknown stream ${unknown.stream}`, reason: "not_found" });
      return;
    }
    response.writeHead(200, { "content-type": "text/event-stream", connection: "close" });
    response.write("retry: 1000\n\n");
    const reader: Reader = {
      response,
      streams: streams.map((stream) => {
        const { lines } = this.jobs.get(idOf(stream.stream))?.job ?? { lines: 0 };
        const start = stream.tail === undefined ? 0 : Math.max(0, lines - stream.tail);
        return { request: stream, cursor: Number(stream.after ?? start), done: false };
      }),
    };
    this.readers.add(reader);
    response.on("close", () => this.readers.delete(reader));
    for (const { request } of reader.streams) {
      this.#write(reader, "status", {
        stream: request.stream,
        job: this.jobs.get(idOf(request.stream))?.job,
        steps: [],
      });
    }
    this.#flush();
  }

  #flush(): void {
    for (const reader of this.readers) {
      for (const followed of reader.streams) {
        const { stream } = followed.request;
        const entry = this.jobs.get(idOf(stream));
        if (entry === undefined || followed.done) continue;
        const logs = entry.records.slice(followed.cursor);
        followed.cursor += logs.length;
        const { cursor } = followed;
        if (logs.length > 0) this.#write(reader, "logs", { stream, job_id: entry.job.id, logs, cursor });
        followed.done = isFinal(entry.job.state);
        if (followed.done) this.#write(reader, "done", { ...entry.job, stream, cursor });
      }
      if (reader.streams.every(({ done }) => done)) reader.response.end();
    }
  }

  #rest(response: ServerResponse, path: string, url: URL): void {
    if (path === "v1/info") {
      const installed = this.protocol !== undefined;
      this.#json(response, installed ? 200 : 404, installed ? { protocol: this.protocol } : { message: "Not Found" });
      return;
    }
    const [, , id = "", what] = path.split("/");
    const entry = this.jobs.get(id);
    if (entry === undefined) this.#json(response, 404, { message: `no workload ${id}`, reason: "not_found" });
    else if (what === undefined) this.#json(response, 200, entry.job);
    else {
      this.polls += 1;
      const after = Number(url.searchParams.get("after"));
      const records = entry.records.slice(after, after + Number(url.searchParams.get("limit")));
      this.#json(response, 200, { records, total: entry.records.length, next: null, state: entry.job.state });
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
