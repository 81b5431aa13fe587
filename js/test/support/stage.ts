// A log view in a DOM with a scripted source and fake timers. Test support.
import { afterEach, beforeEach, vi } from "vitest";
import type { LogSource, MatchDensity, RecordQuery } from "../../src/protocol/log-source.js";
import { isEmpty } from "../../src/protocol/query.js";
import type { Frame, HubEvent, LogRecord, RecordPage, StreamFilter } from "../../src/protocol/types.js";
import { mountLogView } from "../../src/views/log/log-view.js";
import { record, records } from "./workload.js";

/** Number of lines in the log that the source counts. */
const LINES = 600;

/** A log source that emits the events a test gives it, and records its requests. */
export class ScriptedSource implements LogSource {
  readonly workload = "W1";
  readonly downloadUrl = "http://h/logstream/v1/workloads/W1/log.txt";
  readonly subscribed: object[] = [];
  readonly requested: number[] = [];
  closed = 0;
  retried = 0;
  refuse: Error | undefined;
  cancel = vi.fn(async () => undefined);
  #listener: ((event: HubEvent) => void) | undefined;

  subscribe(from: object, listener: (event: HubEvent) => void) {
    this.subscribed.push(from);
    this.#listener = listener;
    const close = () => {
      this.closed += 1;
      if (this.#listener === listener) this.#listener = undefined;
    };
    return { close, retryNow: () => void this.retried++ };
  }
  /** The first line of a step. */
  match = { seq: undefined as number | undefined };
  /** The filters of all requests. */
  readonly filters: StreamFilter[] = [];
  matching: number[] = [];
  async page({ after = 0, offset = 0, limit, ...filter }: RecordQuery): Promise<RecordPage> {
    if (!isEmpty(filter)) return this.#search(filter, offset, limit);
    this.requested.push(after);
    if (this.refuse !== undefined) throw this.refuse;
    return { records: records(after + 1, after + limit), total: 0, next: null, state: "running" };
  }
  #search(filter: StreamFilter, offset: number, limit: number): RecordPage {
    this.filters.push(filter);
    if (this.refuse !== undefined) throw this.refuse;
    const first = this.match.seq;
    if (filter.step !== undefined && limit === 1 && first !== undefined) {
      return { records: [record(first)], total: 1, next: null, state: "running" };
    }
    const found = this.matching.slice(offset, offset + limit).map((seq) => record(seq));
    return { records: found, total: this.matching.length, next: null, state: "running" };
  }
  async matchDensity(filter: StreamFilter, parts: number): Promise<MatchDensity> {
    this.filters.push(filter);
    if (this.refuse !== undefined) throw this.refuse;
    const parted = this.matching.map((seq) => Math.floor(((seq - 1) * parts) / LINES));
    const marks = Array.from({ length: parts }, (_, i) => parted.filter((part) => part === i).length);
    return { total: this.matching.length, first: 1, last: LINES, marks };
  }
  async seqs(_filter: StreamFilter, after: number, limit: number): Promise<readonly number[]> {
    return this.matching.filter((seq) => seq > after).slice(0, limit);
  }
  emit(event: HubEvent): void {
    this.#listener?.(event);
  }
  frame(type: string, data: Frame): void {
    this.emit({ kind: "frame", type, data });
  }
  logs(...logs: LogRecord[]): void {
    this.frame("logs", { logs, cursor: logs.at(-1)?.seq ?? 0 });
  }
}

export let host: HTMLElement;
export let source: ScriptedSource;
export let view: { dispose(): void };

beforeEach(() => {
  vi.useFakeTimers({
    toFake: [
      "setTimeout",
      "clearTimeout",
      "setInterval",
      "clearInterval",
      "requestAnimationFrame",
      "cancelAnimationFrame",
      "Date",
    ],
  });
  // happy-dom lays nothing out: give the viewport the height a browser would.
  vi.spyOn(HTMLElement.prototype, "clientHeight", "get").mockReturnValue(280);
  document.body.replaceChildren();
  delete document.body.dataset["jpThemeLight"];
  host = document.createElement("div");
  document.body.append(host);
  source = new ScriptedSource();
  view = mountLogView(host, source);
});
afterEach(() => {
  view.dispose();
  vi.useRealTimers();
});

export const root = () => host.shadowRoot as ShadowRoot;
export const find = (selector: string) => root().querySelector<HTMLElement>(selector) as HTMLElement;
export const rows = () => [...root().querySelectorAll<HTMLElement>(".row")];
export const viewport = () => find(".viewport");
export const paint = () => vi.advanceTimersByTimeAsync(50);

export function scrollTo(top: number): void {
  viewport().scrollTop = top;
  viewport().dispatchEvent(new Event("scroll"));
}
