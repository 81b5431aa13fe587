// The view of one log: header, rows, empty and error texts, wired to an injected source. DOM only: no fetch, no widget.
// Painted at most once per animation frame, whatever arrives; only what is looked at is in the DOM.

import { thousands } from "../core/format.js";
import { Lines, Refused } from "../core/lines.js";
import type { LogSource } from "../core/source.js";
import { type Frame, type HubEvent, isFinal, type Status, type Subscription, type Workload } from "../core/types.js";
import { element, icon, setData, setText } from "./dom.js";
import { Header } from "./header.js";
import css from "./logview.css?inline";
import { type Content, Rows } from "./rows.js";
import { followTheme } from "./theme.js";
import { Viewport } from "./viewport.js";

/** Records asked for at first: fills any viewport, in one answer. */
const TAIL = 200;
/** A view out of the document for two looks in a row has been thrown away without a word, or is parked. */
const WATCH_MS = 2500;
const TICK_MS = 1000;

export interface LogViewOptions {
  /** Height of the whole view in px; 0: as tall as its content, up to a default. */
  readonly height?: number;
}

export function mountLogView(host: HTMLElement, source: LogSource, options: LogViewOptions = {}): { dispose(): void } {
  const view = new LogView(host, source, options);
  return { dispose: () => view.dispose() };
}

class LogView {
  readonly #host: HTMLElement;
  readonly #source: LogSource;
  readonly #lines: Lines;
  readonly #rows = new Rows();
  readonly #viewport: Viewport;
  readonly #header: Header;
  readonly #section = element("section", "view");
  readonly #notice = element("div", "notice");
  readonly #empty = element("div", "empty");
  readonly #newsLabel = element("span", "label");
  readonly #news = element("button", "news", icon("down"), this.#newsLabel);
  readonly #stopTheme: () => void;
  /** The line being written, per source. */
  readonly #progress = new Map<string, string>();
  #subscription: Subscription | undefined;
  #job: Workload | undefined;
  #status: Status = { rung: "connecting" };
  /** The page's clock minus the server's. */
  #skew = 0;
  #cancelling = false;
  #trouble = "";
  /** The newest record when following stopped. */
  #seen = 0;
  /** Key of the first row at the last paint. */
  #base = 1;
  #frame: number | undefined;
  #tick: ReturnType<typeof setInterval> | undefined;
  #watch: ReturnType<typeof setInterval> | undefined;
  #absent = 0;
  #disposed = false;
  readonly #presence: ResizeObserver;

  constructor(host: HTMLElement, source: LogSource, options: LogViewOptions) {
    this.#host = host;
    this.#source = source;
    this.#lines = new Lines(
      (after, limit, signal) => this.#fetch(after, limit, signal),
      () => this.#dirty(),
    );
    this.#header = new Header(
      {
        retry: () => this.#retry(),
        follow: () => this.#viewport.follow(!this.#viewport.following),
        cancel: () => void this.#cancel(),
      },
      source.downloadUrl,
    );
    this.#stopTheme = followTheme(host);
    this.#viewport = this.#mount(options.height ?? 0);
    this.#presence = new ResizeObserver(() => this.#appeared());
    this.#presence.observe(host);
    this.#subscribe({ tail: TAIL });
    this.#paint();
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#suspend();
    if (this.#frame !== undefined) cancelAnimationFrame(this.#frame);
    this.#presence.disconnect();
    this.#viewport.dispose();
    this.#lines.dispose();
    this.#stopTheme();
  }

  #mount(height: number): Viewport {
    const host = this.#host;
    host.dataset["logstream"] = "log";
    host.dataset["workload"] = this.#source.workload;
    // Keys pressed inside a shadow root seem to come from its host: see viewport.ts.
    host.dataset["lmSuppressShortcuts"] = "true";
    const root = host.shadowRoot ?? host.attachShadow({ mode: "open" });
    const style = document.createElement("style");
    style.textContent = css;
    const section = this.#section;
    root.replaceChildren(style, section);
    if (height > 0) section.style.height = `${height}px`;
    const viewport = new Viewport(this.#rows.element, rowHeight(section), () => this.#dirty());
    viewport.element.setAttribute("role", "log");
    viewport.element.setAttribute("aria-label", "Log lines");
    // A log of thousands of lines a second must not be read aloud as it comes.
    viewport.element.setAttribute("aria-live", "off");
    this.#notice.setAttribute("role", "status");
    this.#news.type = "button";
    this.#news.addEventListener("click", () => viewport.follow(true));
    section.append(
      this.#header.element,
      this.#notice,
      element("div", "body", viewport.element, this.#empty, this.#news),
    );
    return viewport;
  }

  // --- what comes in ---

  #subscribe(from: { tail: number } | { after: number }): void {
    this.#subscription = this.#source.subscribe(from, (event) => this.#hear(event));
    this.#tick = setInterval(() => this.#updateHeader(), TICK_MS);
    this.#watch = setInterval(() => this.#checkPresence(), WATCH_MS);
  }

  #hear(event: HubEvent): void {
    if (event.kind === "state") this.#status = event;
    else if (event.kind === "frame") this.#take(event.type, event.data);
    else {
      this.#job = event.job ?? this.#job;
      this.#extend(event.cursor);
    }
    this.#dirty();
  }

  #take(type: string, data: Frame): void {
    switch (type) {
      case "logs":
        for (const record of data.logs ?? []) this.#progress.delete(record.source);
        this.#lines.append(data.logs ?? []);
        break;
      case "progress":
        this.#rewrite(data.source ?? "", data.message ?? "");
        break;
      case "done":
        this.#progress.clear();
        this.#job = data.job;
        break;
      case "status":
        this.#job = data.job;
        break;
      case "gap":
        this.#lines.removed((data.to ?? 0) + 1);
        break;
      case "reset":
        this.#reset();
        break;
      case "ping":
        if (data.timestamp !== undefined) this.#skew = Date.now() - data.timestamp;
    }
    this.#extend(data.cursor);
  }

  #rewrite(source: string, message: string): void {
    if (message === "") this.#progress.delete(source);
    else this.#progress.set(source, message);
  }

  #extend(cursor: unknown): void {
    if (typeof cursor === "number") this.#lines.extend(cursor);
  }

  #reset(): void {
    this.#progress.clear();
    this.#lines.reset();
    this.#base = 1;
    this.#viewport.follow(true);
  }

  async #fetch(after: number, limit: number, signal: AbortSignal) {
    try {
      return await this.#source.records(after, limit, signal);
    } catch (error) {
      if (error instanceof Refused) this.#hear({ kind: "state", rung: "error", message: error.message });
      throw error;
    }
  }

  // --- what the user does ---

  #retry(): void {
    this.#trouble = "";
    this.#lines.retry();
    this.#subscription?.retryNow();
  }

  async #cancel(): Promise<void> {
    this.#cancelling = true;
    this.#trouble = "";
    this.#dirty();
    try {
      await this.#source.cancel();
    } catch (error) {
      this.#cancelling = false;
      this.#trouble = `Could not cancel: ${error instanceof Error ? error.message : String(error)}`;
    }
    this.#dirty();
  }

  // --- is anybody there? (a view may be wiped from the page without a call, or parked by a windowed notebook) ---

  #checkPresence(): void {
    this.#absent = this.#host.isConnected ? 0 : this.#absent + 1;
    if (this.#absent >= 2) this.#suspend();
  }

  #suspend(): void {
    clearInterval(this.#tick);
    clearInterval(this.#watch);
    this.#subscription?.close();
    this.#subscription = undefined;
  }

  #appeared(): void {
    if (this.#disposed || !this.#host.isConnected) return;
    this.#viewport.setRowHeight(rowHeight(this.#section));
    if (this.#subscription !== undefined) return;
    this.#absent = 0;
    this.#subscribe(this.#lines.last > 0 ? { after: this.#lines.last } : { tail: TAIL });
  }

  // --- painting ---

  #dirty(): void {
    if (this.#disposed) return;
    this.#frame ??= requestAnimationFrame(() => {
      this.#frame = undefined;
      this.#paint();
    });
  }

  #paint(): void {
    const lines = this.#lines;
    const removed = lines.first > 1;
    const base = removed ? lines.first - 1 : 1;
    if (base !== this.#base) this.#viewport.shift(this.#base - base);
    this.#base = base;
    const end = lines.last + 1 + this.#progress.size;
    const range = this.#viewport.layout(Math.max(0, end - base));
    const from = base + range.from;
    const to = base + range.to;
    lines.ensure(from, to - 1);
    const progress = [...this.#progress.values()];
    this.#rows.paint(from, to, (key) => this.#content(key, progress));
    this.#host.style.setProperty("--digits", String(Math.max(3, String(lines.last).length)));
    this.#updateHeader();
    this.#updateTexts();
  }

  #content(key: number, progress: readonly string[]): Content {
    if (key < this.#lines.first) {
      return { kind: "note", text: `Lines 1–${thousands(key)} were removed by retention` };
    }
    if (key > this.#lines.last) return { kind: "progress", text: progress[key - this.#lines.last - 1] ?? "" };
    const record = this.#lines.get(key);
    return record === undefined ? { kind: "pending" } : { kind: "record", record };
  }

  #updateHeader(): void {
    const rung = this.#status.rung;
    setData(this.#host, "state", rung);
    setData(this.#host, "lines", String(this.#lines.last));
    this.#header.update({
      job: this.#job,
      status: this.#status,
      lines: this.#lines.last,
      following: this.#viewport.following,
      cancelling: this.#cancelling,
      serverNow: Date.now() - this.#skew,
    });
    if (rung === "done") clearInterval(this.#tick);
  }

  #updateTexts(): void {
    const error = this.#status.rung === "error" ? this.#status.message : undefined;
    const notice = error ?? (this.#trouble || this.#job?.error || "");
    setText(this.#notice, notice);
    this.#notice.hidden = notice === "";
    this.#empty.hidden = this.#rows.count > 0;
    setText(this.#empty, this.#emptyText());
    if (this.#viewport.following) this.#seen = this.#lines.last;
    const news = this.#lines.last - this.#seen;
    this.#news.hidden = news <= 0;
    setText(this.#newsLabel, news === 1 ? "1 new line" : `${thousands(news)} new lines`);
  }

  #emptyText(): string {
    if (this.#status.rung === "error") return "No log to show";
    if (this.#job === undefined) return "Connecting…";
    if (this.#job.state === "queued") return "Waiting in the queue";
    return isFinal(this.#job.state) ? "It wrote no lines" : "No lines yet";
  }
}

/** Rows are all of one height, which follows the user's code font. */
function rowHeight(section: HTMLElement): number {
  const height = Math.round((Number.parseFloat(getComputedStyle(section).fontSize) || 13) * 1.5);
  section.style.setProperty("--row", `${height}px`);
  return height;
}
