// What one can do in a log's view, by keys or by its menu, and what that takes: each act in one place. DOM only; the parts it
// acts on are made elsewhere.

import { exportLines } from "../../log/export-text.js";
import { type Hit, Hits } from "../../log/hits.js";
import type { Log } from "../../log/log.js";
import type { Histogram } from "../../log/overview/histogram.js";
import type { LogSource } from "../../protocol/log-source.js";
import { thousands } from "../../text/format.js";
import { withoutColours } from "../../text/text.js";
import { TIMES } from "../../text/time-column.js";
import { Popup } from "../dom/popup.js";
import { setLarge } from "../dom/size.js";
import type { FilterBar } from "./filter-bar.js";
import { GoTo } from "./go-to-line.js";
import { type KeyActions, keyList, listenToKeys } from "./keys.js";
import type { LineList } from "./line-list.js";
import type { LineSelection } from "./line-selection.js";
import { Menu } from "./menu.js";
import type { TimeRange } from "./panels/histogram.js";
import { type Preferences, preferences, setPreferences } from "./preferences.js";

export interface CommandContext {
  readonly view: HTMLElement;
  readonly log: Log;
  readonly source: LogSource;
  readonly list: LineList;
  readonly filters: FilterBar;
  readonly selection: LineSelection;
  readonly histogram: Histogram;
  say(text: string): void;
  /** To those who can't see it. */
  read(text: string): void;
  changed(): void;
}

/** Characters of a line that are read out: more is for the eye. */
const READ_OUT = 300;

export class Commands implements KeyActions {
  readonly goto: GoTo;
  readonly #menu: Menu;
  readonly #help: Popup;
  readonly #context: CommandContext;
  /** The errors, while one steps through them; what they are of. */
  #errors: { readonly hits: Hits; readonly of: string; readonly seq: number | undefined } | undefined;
  #large = false;
  #closedAt = 0;
  readonly #ended = new AbortController();

  constructor(context: CommandContext) {
    this.#context = context;
    const back = () => this.#focus();
    this.goto = new GoTo((line) => this.show(line), back);
    this.#menu = new Menu(
      {
        prefer: (changes) => this.#prefer(changes),
        goTo: () => this.goTo(),
        large: () => this.large(),
        clear: () => context.list.rowModel.clear(),
        download: () => void this.#download(),
        keys: () => this.help(),
        closed: back,
      },
      context.source.downloadUrl,
    );
    this.#help = new Popup("help", "Keyboard shortcuts", "dialog", back);
    this.#help.element.append(keyList());
    for (const popup of [this.#menu.popup, this.#help]) {
      popup.element.addEventListener("focusout", () => {
        this.#closedAt = performance.now();
      });
    }
    listenToKeys(context.view, this);
    context.list.style = preferences();
  }

  get elements(): readonly HTMLElement[] {
    return [this.#menu.popup.element, this.#help.element];
  }

  /** Opens the menu below its button, or closes it. */
  menu(button: HTMLElement): void {
    // The press on the button has taken the focus out of the menu, which closed it.
    if (this.#menu.popup.isOpen || performance.now() - this.#closedAt < 200) return;
    this.#menu.update(preferences(), Object.keys(this.#context.filters.filter).length > 0, this.#large);
    this.#menu.popup.open(button);
  }

  /** Brings a line to the middle and marks it. */
  show(seq: number): void {
    const { lines } = this.#context.log;
    if (lines.last === 0) return;
    const to = Math.max(lines.first, Math.min(seq, lines.last));
    if (to !== seq)
      this.#context.say(
        `No line ${thousands(seq)}: this log has lines ${thousands(lines.first)} to ${thousands(lines.last)}`,
      );
    void this.#context.list.reveal(to);
  }

  /** To the first line of a step. */
  async toStep(step: string): Promise<void> {
    const { source, list, say } = this.#context;
    try {
      const { records } = await source.page({ step, limit: 1 }, this.#ended.signal);
      if (records[0] !== undefined) void list.reveal(records[0].seq, undefined, true);
    } catch (error) {
      if (!this.#ended.signal.aborted) say(error instanceof Error ? error.message : String(error));
    }
  }

  /** Only the lines of a stretch of time, or all again. */
  async toStretch(stretch: TimeRange | undefined): Promise<void> {
    const { list, histogram } = this.#context;
    const next =
      stretch && histogram.columns(Number.MAX_SAFE_INTEGER).find(({ from, seq }) => from >= stretch.to && seq);
    if (stretch?.seq === undefined) list.rowModel.setKeyRange(undefined);
    else await list.showRange(stretch.seq, next?.seq);
  }

  dispose(): void {
    this.#ended.abort();
    this.#errors?.hits.stop();
    if (this.#large) setLarge(this.#context.view, false);
  }

  // --- keys ---

  find(): void {
    this.#context.filters.open();
  }

  next(by: number): void {
    this.#context.filters.next(by);
  }

  error(by: number): void {
    void this.#toError(by);
  }

  follow(): void {
    const { viewport } = this.#context.list;
    viewport.follow(!viewport.following);
    this.#context.say(viewport.following ? "Following the end" : "Paused");
  }

  mark(by: number): void {
    const record = this.#context.list.moveCurrent(by);
    if (record === undefined) return;
    const { seq, level, message } = record;
    const bad = level === "error" || level === "fatal" || level === "warn" ? `${level}, ` : "";
    this.#context.read(`${bad}line ${seq}: ${withoutColours(message.slice(0, READ_OUT))}`);
  }

  fold(): boolean {
    const { list } = this.#context;
    if (list.currentSeq === undefined) return false;
    list.toggleCurrent();
    return true;
  }

  choose(upTo: boolean): void {
    const { list, selection, say } = this.#context;
    if (list.currentSeq === undefined) say("No current line: press j or k to move to one");
    else selection.start(list.currentSeq, upTo);
  }

  wrap(): void {
    const { wrap } = this.#prefer({ wrap: !preferences().wrap });
    this.#context.say(wrap ? "Wrapping long lines" : "Not wrapping long lines");
  }

  times(): void {
    const at = TIMES.indexOf(preferences().times);
    this.#prefer({ times: TIMES[(at + 1) % TIMES.length] ?? "none" });
  }

  goTo(): void {
    this.goto.open();
  }

  end(): void {
    this.#context.list.viewport.follow(true);
  }

  large(): void {
    this.#large = !this.#large;
    setLarge(this.#context.view, this.#large);
    this.#focus();
    this.#context.changed();
  }

  help(): void {
    this.#help.open(this.#context.view);
  }

  back(): boolean {
    const { selection, filters } = this.#context;
    if (selection.active) selection.clear();
    else if (!filters.element.hidden) filters.close();
    else if (this.#large) this.large();
    else return false;
    return true;
  }

  copy(): boolean {
    // What is selected as text is the browser's to copy.
    if (!this.#context.selection.active || getSelection()?.isCollapsed === false) return false;
    void this.#context.selection.copy();
    return true;
  }

  // --- acts that take a while ---

  async #toError(by: number): Promise<void> {
    const { source, filters, list, log } = this.#context;
    const filter = { ...filters.filter, levels: ["error", "fatal"] as const };
    const of = JSON.stringify(filter);
    const known = this.#errors?.of === of ? this.#errors.hits : undefined;
    const hits = known ?? new Hits(source, filter);
    this.#errors = { hits, of, seq: this.#errors?.seq };
    try {
      // From the end one looks back at the newest, or begins at the first: what went wrong first is what matters.
      const start = () => (list.viewport.following ? (by > 0 ? hits.first() : hits.newest()) : hits.near(list.topSeq));
      const hit = await (known === undefined || hits.total === 0 ? start() : this.#beyond(hits, by));
      if (hit === undefined || this.#ended.signal.aborted) return;
      this.#errors = { hits, of, seq: hit.seq };
      if (hit.seq !== undefined) void list.reveal(hit.seq, undefined, true);
      const none = log.lines.last === 0 ? "No lines yet" : "No errors";
      this.#context.say(hit.total === 0 ? none : `Error ${thousands(hit.nth + 1)} of ${thousands(hit.total)}`);
    } catch (error) {
      this.#context.say(error instanceof Error ? error.message : String(error));
    }
  }

  /** Each line of a traceback is an error: of one that is in sight the next is behind it. */
  #beyond(hits: Hits, by: number): Promise<Hit | undefined> {
    const { currentSeq: marked, currentGroup: together } = this.#context.list;
    const isAtHit = marked === this.#errors?.seq && together?.from === together?.to;
    return together === undefined || isAtHit ? hits.step(by) : hits.beyond(together, by);
  }

  async #download(): Promise<void> {
    const { source, filters, log, say } = this.#context;
    say("Preparing the download…");
    try {
      const taken = await exportLines(source, filters.filter, 1, log.lines.last, this.#ended.signal);
      const link = document.createElement("a");
      link.href = URL.createObjectURL(new Blob([taken.text], { type: "text/plain" }));
      link.download = `${source.workload || "log"}.filtered.txt`;
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
      say(
        `Downloaded ${thousands(taken.lines)} lines${taken.truncated ? ": the size limit was reached, later lines are missing" : ""}`,
      );
    } catch (error) {
      if (!this.#ended.signal.aborted) say(error instanceof Error ? error.message : String(error));
    }
  }

  #prefer(changes: Partial<Preferences>): Preferences {
    const preferred = setPreferences(changes);
    this.#context.list.style = preferred;
    this.#menu.update(preferred, Object.keys(this.#context.filters.filter).length > 0, this.#large);
    this.#context.changed();
    return preferred;
  }

  #focus(): void {
    this.#context.list.viewport.element.focus({ preventScroll: true });
  }
}
