// Commands of a log view: the actions behind its keys and its menu. DOM only.

import { exportLines } from "../../log/export-text.js";
import type { Log } from "../../log/log.js";
import type { Histogram } from "../../log/overview/histogram.js";
import type { LogSource } from "../../protocol/log-source.js";
import { isEmpty } from "../../protocol/query.js";
import { thousands } from "../../text/format.js";
import { withoutColours } from "../../text/text.js";
import { TIMES } from "../../text/time-column.js";
import { Popup } from "../dom/popup.js";
import { setFullWindow } from "../dom/size.js";
import { ErrorNavigator } from "./error-navigator.js";
import type { FilterBar } from "./filter-bar.js";
import { GoToLine } from "./go-to-line.js";
import { type KeyActions, keyList, listenToKeys } from "./keys.js";
import type { LineList } from "./line-list.js";
import type { LineSelection } from "./line-selection.js";
import { Menu } from "./menu.js";
import type { TimeRange } from "./panels/histogram.js";
import { type Preferences, preferences, setPreferences } from "./preferences.js";

/** What the commands act on. */
export interface CommandContext {
  readonly view: HTMLElement;
  readonly log: Log;
  readonly source: LogSource;
  readonly list: LineList;
  readonly filters: FilterBar;
  readonly selection: LineSelection;
  readonly histogram: Histogram;
  /** Shows a short confirmation. */
  toast(text: string): void;
  /** Reads a text to screen readers. */
  announce(text: string): void;
  /** Requests a paint. */
  changed(): void;
}

/** A screen reader reads the first characters of a line. */
const MAX_ANNOUNCED_CHARS = 300;
/** A press on the menu button first closes the menu by taking the focus; within this time it does not reopen it. */
const REOPEN_GUARD_MS = 200;
/** Time the browser gets to start a download before its data is released. */
const RELEASE_DELAY_MS = 60_000;

export class Commands implements KeyActions {
  readonly goToLine: GoToLine;
  readonly #menu: Menu;
  readonly #help: Popup;
  readonly #context: CommandContext;
  readonly #errors: ErrorNavigator;
  #isFullWindow = false;
  #popupClosedAt = 0;
  readonly #disposed = new AbortController();

  constructor(context: CommandContext) {
    this.#context = context;
    this.#errors = new ErrorNavigator(context);
    const focusLines = () => this.#focusLines();
    this.goToLine = new GoToLine((line) => this.show(line), focusLines);
    this.#menu = new Menu(
      {
        prefer: (changes) => this.#prefer(changes),
        goTo: () => this.goTo(),
        fullWindow: () => this.fullWindow(),
        clear: () => context.list.rowModel.clear(),
        download: () => void this.#download(),
        downloadComplete: (event) => this.downloadComplete(event),
        keys: () => this.help(),
        onClose: focusLines,
      },
      context.source.downloadUrl,
      context.source.exportUrl,
    );
    this.#help = new Popup("help", "Keyboard shortcuts", "dialog", focusLines);
    this.#help.element.append(keyList());
    for (const popup of this.popups) {
      popup.addEventListener("focusout", () => {
        this.#popupClosedAt = performance.now();
      });
    }
    listenToKeys(context.view, this);
    context.list.style = preferences();
  }

  get popups(): readonly HTMLElement[] {
    return [this.#menu.popup.element, this.#help.element];
  }

  /** Opens the menu at its button, or closes it. */
  menu(button: HTMLElement): void {
    if (this.#menu.popup.isOpen || performance.now() - this.#popupClosedAt < REOPEN_GUARD_MS) return;
    this.#updateMenu(preferences());
    this.#menu.popup.open(button);
  }

  /** Scrolls a line to the middle and makes it the current line; the nearest one if the log does not have it. */
  show(seq: number): void {
    const { first, last } = this.#context.log.lines;
    if (last === 0) return;
    const nearest = Math.max(first, Math.min(seq, last));
    if (nearest !== seq) {
      this.#context.toast(`No line ${thousands(seq)}: this log has lines ${thousands(first)} to ${thousands(last)}`);
    }
    void this.#context.list.reveal(nearest);
  }

  /** Shows the first line of a step. */
  async jumpToStep(step: string): Promise<void> {
    const { source, list } = this.#context;
    try {
      const { records } = await source.page({ step, limit: 1 }, this.#disposed.signal);
      if (records[0] !== undefined) void list.reveal(records[0].seq, undefined, true);
    } catch (error) {
      this.#toastError(error);
    }
  }

  /** Shows only the lines of a time range; undefined: all lines. */
  async showTimeRange(range: TimeRange | undefined): Promise<void> {
    const { list, histogram } = this.#context;
    const next = range && histogram.columns(Number.MAX_SAFE_INTEGER).find(({ from, seq }) => from >= range.to && seq);
    if (range?.seq === undefined) list.rowModel.setKeyRange(undefined);
    else await list.showRange(range.seq, next?.seq);
  }

  dispose(): void {
    this.#disposed.abort();
    this.#errors.dispose();
    if (this.#isFullWindow) setFullWindow(this.#context.view, false);
  }

  // --- KeyActions ---

  find(): void {
    this.#context.filters.open();
  }

  next(by: number): void {
    this.#context.filters.next(by);
  }

  error(by: number): void {
    this.#errors.step(by).catch((error) => this.#toastError(error));
  }

  follow(): void {
    const { viewport } = this.#context.list;
    viewport.follow(!viewport.following);
    this.#context.toast(viewport.following ? "Following the end" : "Paused");
  }

  moveCurrent(by: number): void {
    const record = this.#context.list.moveCurrent(by);
    if (record === undefined) return;
    const { seq, level, message } = record;
    const severity = level === "error" || level === "fatal" || level === "warn" ? `${level}, ` : "";
    this.#context.announce(`${severity}line ${seq}: ${withoutColours(message.slice(0, MAX_ANNOUNCED_CHARS))}`);
  }

  fold(): boolean {
    const { list } = this.#context;
    if (list.currentSeq === undefined) return false;
    list.toggleCurrent();
    return true;
  }

  select(extend: boolean): void {
    const { list, selection, toast } = this.#context;
    if (list.currentSeq === undefined) toast("No current line: press j or k to move to one");
    else selection.start(list.currentSeq, extend);
  }

  wrap(): void {
    const { wrap } = this.#prefer({ wrap: !preferences().wrap });
    this.#context.toast(wrap ? "Wrapping long lines" : "Not wrapping long lines");
  }

  times(): void {
    const at = TIMES.indexOf(preferences().times);
    this.#prefer({ times: TIMES[(at + 1) % TIMES.length] ?? "none" });
  }

  goTo(): void {
    this.goToLine.open();
  }

  end(): void {
    this.#context.list.viewport.follow(true);
  }

  fullWindow(): void {
    this.#isFullWindow = !this.#isFullWindow;
    setFullWindow(this.#context.view, this.#isFullWindow);
    this.#focusLines();
    this.#context.changed();
  }

  help(): void {
    this.#help.open(this.#context.view);
  }

  back(): boolean {
    const { selection, filters } = this.#context;
    if (selection.active) selection.clear();
    else if (!filters.element.hidden) filters.close();
    else if (this.#isFullWindow) this.fullWindow();
    else return false;
    return true;
  }

  copy(): boolean {
    // The browser copies text that is selected in the usual way.
    if (!this.#context.selection.active || getSelection()?.isCollapsed === false) return false;
    void this.#context.selection.copy();
    return true;
  }

  // --- actions that query the server ---

  /** A click on a link to the complete log, which the browser loads itself unless it has no route to the server. */
  downloadComplete(event: Event): void {
    const { source, toast } = this.#context;
    if (source.download === undefined) return;
    event.preventDefault();
    toast("Preparing the download…");
    source.download(this.#disposed.signal).then(
      (log) => {
        save(log, `${source.workload}.log.txt`);
        toast("Downloaded the complete log");
      },
      (error) => this.#toastError(error),
    );
  }

  async #download(): Promise<void> {
    const { source, filters, log, toast } = this.#context;
    toast("Preparing the download…");
    try {
      const { text, lines, truncated } = await exportLines(
        source,
        filters.filter,
        1,
        log.lines.last,
        this.#disposed.signal,
      );
      save(new Blob([text], { type: "text/plain" }), `${source.workload || "log"}.filtered.txt`);
      const limit = truncated ? ": the size limit was reached, later lines are missing" : "";
      toast(`Downloaded ${thousands(lines)} lines${limit}`);
    } catch (error) {
      this.#toastError(error);
    }
  }

  #toastError(error: unknown): void {
    if (this.#disposed.signal.aborted) return;
    this.#context.toast(error instanceof Error ? error.message : String(error));
  }

  #prefer(changes: Partial<Preferences>): Preferences {
    const changed = setPreferences(changes);
    this.#context.list.style = changed;
    this.#updateMenu(changed);
    this.#context.changed();
    return changed;
  }

  #updateMenu(preferences: Preferences): void {
    this.#menu.update(preferences, !isEmpty(this.#context.filters.filter), this.#isFullWindow);
  }

  #focusLines(): void {
    this.#context.list.viewport.element.focus({ preventScroll: true });
  }
}

function save(data: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(data);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), RELEASE_DELAY_MS);
}
