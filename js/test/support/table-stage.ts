// A workload table in a DOM with a scripted source and fake timers. Test support.
import { afterEach, beforeEach, vi } from "vitest";
import type { LogSource } from "../../src/protocol/log-source.js";
import type { Frame, HubEvent, Workload } from "../../src/protocol/types.js";
import type { ListedWorkload } from "../../src/protocol/workloads-source.js";
import { mountTable, type Table, type TableOptions } from "../../src/views/workloads/workload-table.js";
import { listed, workload } from "./workload.js";

export const ROW_PX = 48; // without a layout the table has its narrow form
const VIEW_PX = 480;

export let host: HTMLElement;
export let table: Table;
export let emit: ((event: HubEvent) => void) | undefined;
/** The server's list of workloads. */
let listedNow: ListedWorkload[] = [];
export const cancel = vi.fn<(id: string) => Promise<void>>();
export const remove = vi.fn<(id: string) => Promise<void>>();
export const again = vi.fn<(id: string) => Promise<Workload>>();
export const retryNow = vi.fn();
export const following = new Set<string>();

const source = {
  subscribe(listener: (event: HubEvent) => void) {
    emit = listener;
    queueMicrotask(() => {
      listener({ kind: "state", rung: "live" });
      send(...listedNow);
    });
    const close = () => {
      emit = undefined;
    };
    return { close, retryNow };
  },
  cancel,
  remove,
  again,
};

function logOf(id: string): LogSource {
  return {
    workload: id,
    downloadUrl: "",
    subscribe() {
      following.add(id);
      return { close: () => void following.delete(id), retryNow() {} };
    },
    page: async () => ({ records: [], total: 0, next: null, state: "running" }),
    matchDensity: async () => ({ total: 0, first: 1, last: 0, marks: [] }),
    seqs: async () => [],
    cancel: async () => {},
  };
}

export function has(...jobs: ListedWorkload[]): void {
  listedNow = jobs;
}

export function show(options: TableOptions = {}): void {
  table = mountTable(host, source, logOf, options);
}

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
  vi.setSystemTime(100_000);
  vi.spyOn(HTMLElement.prototype, "clientHeight", "get").mockReturnValue(VIEW_PX);
  vi.spyOn(HTMLElement.prototype, "clientWidth", "get").mockReturnValue(300);
  for (const one of [cancel, remove]) one.mockReset().mockResolvedValue(undefined);
  again.mockReset().mockResolvedValue(workload({}));
  retryNow.mockReset();
  following.clear();
  listedNow = [listed(1), listed(2, { state: "failed", exit_code: 3 }), listed(3, { state: "running" })];
  document.body.replaceChildren();
  host = document.createElement("div");
  document.body.append(host);
});
afterEach(() => {
  table.dispose();
  vi.useRealTimers();
});

export const root = () => host.shadowRoot as ShadowRoot;
export const find = (selector: string) => root().querySelector<HTMLElement>(selector) as HTMLElement;
export const rows = () => [...root().querySelectorAll<HTMLElement>(".row")];
export const row = (id: string) => find(`.row[data-id="${id}"]`);
export const ids = () => rows().map((one) => one.dataset["id"]);
export const text = (id: string, cell: string) => row(id).querySelector(`.c-${cell}`)?.textContent;
export const act = (id: string, name: string) => row(id).querySelector<HTMLElement>(`.act.${name}`) as HTMLElement;
export const frame = (data: object) => emit?.({ kind: "frame", type: "workload", data: data as Frame });
export const send = (...jobs: ListedWorkload[]) => jobs.forEach(frame);
/** Runs timers until arrivals are painted and the snapshot is complete. */
export const settled = () => vi.advanceTimersByTimeAsync(1000);
export const painted = () => vi.advanceTimersByTimeAsync(50);
export const press = (target: HTMLElement, key: string) => {
  const event = new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true, composed: true });
  target.dispatchEvent(event);
  return event;
};
export const focused = () => root().activeElement as HTMLElement | null;
export const scroll = () => find(".scroll");
export const scrollTo = (top: number) => {
  scroll().scrollTop = top;
  scroll().dispatchEvent(new Event("scroll"));
};
