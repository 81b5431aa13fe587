// The view of one log: header, rows, empty and error texts, wired to an injected source. DOM only: no fetch, no widget.
// Painted at most once per animation frame, whatever arrives; only what is looked at is in the DOM.

import { badge, thousands } from "../core/format.js";
import { Log } from "../core/log.js";
import type { LogSource } from "../core/source.js";
import { isFinal, type Kept } from "../core/types.js";
import { element, icon, setData, setText } from "./dom.js";
import findCss from "./find.css?inline";
import { Find } from "./find.js";
import { Header } from "./header.js";
import linesCss from "./lines.css?inline";
import css from "./logview.css?inline";
import { Presence } from "./presence.js";
import { type Content, Rows } from "./rows.js";
import stepsCss from "./steps.css?inline";
import { Steps } from "./steps.js";
import { followTheme } from "./theme.js";
import { Viewport } from "./viewport.js";

const TICK_MS = 1000;

export interface LogViewOptions {
  /** Height of the whole view in px; 0: as tall as its content, up to a default. */
  readonly height?: number;
  /** As tall as the place it is put in. */
  readonly fill?: boolean;
  /** Shown where the log can't be had. */
  readonly kept?: Kept | undefined;
  /** No button that changes anything. */
  readonly readOnly?: boolean;
}

export function mountLogView(host: HTMLElement, source: LogSource, options: LogViewOptions = {}): { dispose(): void } {
  const view = new LogView(host, source, options);
  return { dispose: () => view.dispose() };
}

class LogView {
  readonly #host: HTMLElement;
  readonly #log: Log;
  /** Of a log that is no workload's. */
  readonly #title: string | undefined;
  readonly #rows = new Rows();
  readonly #viewport: Viewport;
  readonly #header: Header;
  readonly #find: Find;
  readonly #steps: Steps;
  /** The record that was found and is shown. */
  #hit: number | undefined;
  readonly #section = element("section", "view");
  readonly #notice = element("div", "notice");
  readonly #empty = element("div", "empty");
  readonly #kept = element("pre", "kept");
  readonly #hasKept: boolean;
  readonly #newsLabel = element("span", "label");
  readonly #news = element("button", "news", icon("down"), this.#newsLabel);
  readonly #stopTheme: () => void;
  /** The newest record when following stopped. */
  #seen = 0;
  /** Key of the first row at the last paint. */
  #base = 1;
  #epoch = 0;
  #frame: number | undefined;
  #tick: ReturnType<typeof setInterval> | undefined;
  #disposed = false;
  readonly #presence: Presence;

  constructor(host: HTMLElement, source: LogSource, options: LogViewOptions) {
    this.#host = host;
    this.#title = source.title;
    this.#log = new Log(source, () => this.#dirty(), options.kept?.job);
    this.#header = new Header(
      {
        retry: () => this.#log.retry(),
        follow: () => this.#viewport.follow(!this.#viewport.following),
        cancel: () => void this.#log.cancel(),
        find: () => this.#find.open(),
        steps: () => this.#steps.toggle(),
      },
      source.downloadUrl,
      options.readOnly ?? false,
      source.title,
    );
    this.#find = new Find({
      find: (query, nth, signal) => source.find(query, nth, signal),
      reveal: (seq) => this.#reveal(seq),
      closed: () => this.#viewport.element.focus({ preventScroll: true }),
    });
    this.#steps = new Steps({
      jump: (step) => void this.#jump(source, step),
      closed: () => this.#viewport.element.focus({ preventScroll: true }),
    });
    this.#hasKept = options.kept !== undefined;
    setText(this.#kept, options.kept?.lines.join("\n") || "It wrote no lines");
    this.#stopTheme = followTheme(host);
    this.#viewport = this.#mount(source.workload, options);
    this.#presence = new Presence(
      host,
      () => this.#appeared(),
      () => this.#suspend(),
    );
    this.#open();
    this.#paint();
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#suspend();
    if (this.#frame !== undefined) cancelAnimationFrame(this.#frame);
    this.#presence.dispose();
    this.#viewport.dispose();
    this.#find.dispose();
    this.#log.lines.dispose();
    this.#stopTheme();
  }

  #mount(workload: string, options: LogViewOptions): Viewport {
    const { height = 0 } = options;
    const host = this.#host;
    host.dataset["logstream"] = "log";
    host.dataset["workload"] = workload;
    // Keys pressed inside a shadow root seem to come from its host: see viewport.ts.
    host.dataset["lmSuppressShortcuts"] = "true";
    const root = host.shadowRoot ?? host.attachShadow({ mode: "open" });
    const style = document.createElement("style");
    style.textContent = css + linesCss + findCss + stepsCss;
    const section = this.#section;
    root.replaceChildren(style, section);
    if (options.fill) {
      host.dataset["fill"] = "";
      section.style.height = "100%"; // as with a height of its own, the lines take what there is
    } else if (height > 0) section.style.height = `${height}px`;
    const viewport = new Viewport(this.#rows.element, rowHeight(section), () => this.#dirty());
    viewport.element.addEventListener("keydown", (event) => {
      if (event.key !== "/" || event.ctrlKey || event.altKey || event.metaKey) return;
      event.preventDefault();
      this.#find.open();
    });
    viewport.element.setAttribute("role", "log");
    viewport.element.setAttribute("aria-label", "Log lines");
    // A log of thousands of lines a second must not be read aloud as it comes.
    viewport.element.setAttribute("aria-live", "off");
    this.#notice.setAttribute("role", "status");
    this.#kept.tabIndex = 0; // it scrolls
    this.#kept.dataset["lmSuppressShortcuts"] = "true";
    this.#kept.setAttribute("aria-label", "Last lines, as the notebook has kept them");
    this.#news.type = "button";
    this.#news.addEventListener("click", () => viewport.follow(true));
    section.append(
      this.#header.element,
      this.#find.element,
      this.#steps.element,
      this.#notice,
      element("div", "body", viewport.element, this.#kept, this.#empty, this.#news),
    );
    return viewport;
  }

  #open(): void {
    this.#log.open();
    this.#tick = setInterval(() => this.#updateHeader(), TICK_MS);
    this.#presence.watch();
  }

  #suspend(): void {
    clearInterval(this.#tick);
    this.#presence.rest();
    this.#log.close();
  }

  #appeared(): void {
    if (this.#disposed) return;
    this.#viewport.setRowHeight(rowHeight(this.#section));
    if (!this.#log.isOpen) this.#open();
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
    const { lines, progress } = this.#log;
    if (this.#log.epoch !== this.#epoch) this.#viewport.follow(true);
    this.#epoch = this.#log.epoch;
    const removed = lines.first > 1;
    const base = removed ? lines.first - 1 : 1;
    if (base !== this.#base) this.#viewport.shift(this.#base - base);
    this.#base = base;
    const end = lines.last + 1 + progress.size;
    const range = this.#viewport.layout(Math.max(0, end - base));
    const from = base + range.from;
    const to = base + range.to;
    lines.ensure(from, to - 1);
    const written = [...progress.values()];
    this.#rows.paint(from, to, (key) => this.#content(key, written));
    this.#rows.mark(this.#hit);
    this.#host.style.setProperty("--digits", String(Math.max(3, String(lines.last).length)));
    this.#updateHeader();
    this.#updateTexts();
  }

  #content(key: number, written: readonly string[]): Content {
    const { lines } = this.#log;
    if (key < lines.first) {
      const why = this.#title === undefined ? "were removed by retention" : "are no longer kept";
      return { kind: "note", text: `Lines 1–${thousands(key)} ${why}` };
    }
    if (key > lines.last) return { kind: "progress", text: written[key - lines.last - 1] ?? "" };
    const record = lines.get(key);
    return record === undefined ? { kind: "pending" } : { kind: "record", record };
  }

  #reveal(seq: number | undefined): void {
    this.#hit = seq;
    if (seq === undefined) this.#dirty();
    else this.#viewport.reveal(seq - this.#base);
  }

  /** To the first line of a step. */
  async #jump(source: LogSource, step: string): Promise<void> {
    const seq = await source.firstOf?.(step).catch(() => undefined);
    if (seq !== undefined) this.#reveal(seq);
  }

  #updateHeader(): void {
    const { job, status, lines, cancelling, serverNow } = this.#log;
    const rung = status.rung;
    const count = rung === "error" ? Math.max(lines.last, job?.lines ?? 0) : lines.last;
    setData(this.#host, "state", rung);
    setData(this.#host, "lines", String(count));
    const { following } = this.#viewport;
    this.#header.update({ job, status, lines: count, following, cancelling, serverNow });
    this.#steps.update({ steps: job?.steps ?? [], now: serverNow });
    if (rung === "done") clearInterval(this.#tick);
  }

  #updateTexts(): void {
    const { job, status, trouble, lines } = this.#log;
    const error = status.rung === "error" ? status.message : undefined;
    const stands = error !== undefined && lines.get(lines.last) === undefined && this.#showKept(true);
    if (!stands) this.#showKept(false);
    const notice = stands ? `${error} ${this.#keptText()}` : (error ?? (trouble || job?.error || ""));
    setText(this.#notice, notice);
    this.#notice.hidden = notice === "";
    this.#empty.hidden = this.#rows.count > 0 || stands;
    setText(this.#empty, this.#emptyText());
    if (this.#viewport.following) this.#seen = lines.last;
    const news = lines.last - this.#seen;
    this.#news.hidden = news <= 0;
    setText(this.#newsLabel, news === 1 ? "1 new line" : `${thousands(news)} new lines`);
  }

  /** What the notebook has kept stands in for a log that can't be had; false where it has kept nothing. */
  #showKept(on: boolean): boolean {
    const shown = on && this.#hasKept;
    this.#kept.hidden = !shown;
    this.#viewport.element.hidden = shown;
    return shown;
  }

  #keptText(): string {
    const { label, detail } = badge(this.#log.job, { rung: "done" }, 0);
    return `– The notebook has kept its end: ${[label, detail].filter(Boolean).join(", ")}.`;
  }

  #emptyText(): string {
    const { job, status } = this.#log;
    if (status.rung === "error") return "No log to show";
    const isKnown = job !== undefined || (this.#title !== undefined && status.rung === "live");
    if (!isKnown || status.rung === "connecting") return "Connecting…";
    if (job === undefined) return "No lines yet";
    if (job.state === "queued") return "Waiting in the queue";
    return isFinal(job.state) ? "It wrote no lines" : "No lines yet";
  }
}

/** Rows are all of one height, which follows the user's code font. */
function rowHeight(section: HTMLElement): number {
  const height = Math.round((Number.parseFloat(getComputedStyle(section).fontSize) || 13) * 1.5);
  section.style.setProperty("--row", `${height}px`);
  return height;
}
