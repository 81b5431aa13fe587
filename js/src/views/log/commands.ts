// What one can do in a log's view, by keys or by its menu, and what that takes: each act in one place. DOM only; the parts it
// acts on are made elsewhere.

import { takeLines } from "../../log/export-text.js";
import { type Hit, Hits } from "../../log/hits.js";
import type { Log } from "../../log/log.js";
import type { Histogram } from "../../log/overview/histogram.js";
import type { LogSource } from "../../protocol/log-source.js";
import { thousands } from "../../text/format.js";
import { withoutColours } from "../../text/text.js";
import { TIMES } from "../../text/time-column.js";
import { Popup } from "../dom/popup.js";
import { type Preferences, prefer, preferences } from "../dom/preferences.js";
import { setLarge } from "../dom/size.js";
import type { FilterBar } from "./filter-bar.js";
import { GoTo } from "./go-to-line.js";
import { type KeyActions, keyList, listenToKeys } from "./keys.js";
import type { Board } from "./line-list.js";
import type { Choice } from "./line-selection.js";
import { Menu } from "./menu.js";
import type { Stretch } from "./panels/histogram.js";

export interface Parts {
  readonly view: HTMLElement;
  readonly log: Log;
  readonly source: LogSource;
  readonly board: Board;
  readonly filters: FilterBar;
  readonly choice: Choice;
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
  readonly #parts: Parts;
  /** The errors, while one steps through them; what they are of. */
  #errors: { readonly hits: Hits; readonly of: string; readonly seq: number | undefined } | undefined;
  #large = false;
  #closedAt = 0;
  readonly #ended = new AbortController();

  constructor(parts: Parts) {
    this.#parts = parts;
    const back = () => this.#focus();
    this.goto = new GoTo((line) => this.show(line), back);
    this.#menu = new Menu(
      {
        prefer: (changes) => this.#prefer(changes),
        goTo: () => this.goTo(),
        large: () => this.large(),
        clear: () => parts.board.sheet.clear(),
        download: () => void this.#download(),
        keys: () => this.help(),
        closed: back,
      },
      parts.source.downloadUrl,
    );
    this.#help = new Popup("help", "Keys", "dialog", back);
    this.#help.element.append(keyList());
    for (const popup of [this.#menu.popup, this.#help]) {
      popup.element.addEventListener("focusout", () => {
        this.#closedAt = performance.now();
      });
    }
    listenToKeys(parts.view, this);
    parts.board.taste = preferences();
  }

  get elements(): readonly HTMLElement[] {
    return [this.#menu.popup.element, this.#help.element];
  }

  /** Opens the menu below its button, or closes it. */
  menu(button: HTMLElement): void {
    // The press on the button has taken the focus out of the menu, which closed it.
    if (this.#menu.popup.isOpen || performance.now() - this.#closedAt < 200) return;
    this.#menu.update(preferences(), Object.keys(this.#parts.filters.filter).length > 0, this.#large);
    this.#menu.popup.open(button);
  }

  /** Brings a line to the middle and marks it. */
  show(seq: number): void {
    const { lines } = this.#parts.log;
    if (lines.last === 0) return;
    const to = Math.max(lines.first, Math.min(seq, lines.last));
    if (to !== seq) this.#parts.say(`There are lines ${thousands(lines.first)} to ${thousands(lines.last)}`);
    void this.#parts.board.reveal(to);
  }

  /** To the first line of a step. */
  async toStep(step: string): Promise<void> {
    const { source, board, say } = this.#parts;
    try {
      const { records } = await source.page({ step, limit: 1 }, this.#ended.signal);
      if (records[0] !== undefined) void board.reveal(records[0].seq, undefined, true);
    } catch (error) {
      if (!this.#ended.signal.aborted) say(error instanceof Error ? error.message : String(error));
    }
  }

  /** Only the lines of a stretch of time, or all again. */
  async toStretch(stretch: Stretch | undefined): Promise<void> {
    const { board, histogram } = this.#parts;
    const next =
      stretch && histogram.columns(Number.MAX_SAFE_INTEGER).find(({ from, seq }) => from >= stretch.to && seq);
    if (stretch?.seq === undefined) board.sheet.narrow(undefined);
    else await board.narrow(stretch.seq, next?.seq);
  }

  dispose(): void {
    this.#ended.abort();
    this.#errors?.hits.stop();
    if (this.#large) setLarge(this.#parts.view, false);
  }

  // --- keys ---

  find(): void {
    this.#parts.filters.open();
  }

  next(by: number): void {
    this.#parts.filters.next(by);
  }

  error(by: number): void {
    void this.#toError(by);
  }

  follow(): void {
    const { viewport } = this.#parts.board;
    viewport.follow(!viewport.following);
    this.#parts.say(viewport.following ? "Following the end" : "Standing still");
  }

  mark(by: number): void {
    const record = this.#parts.board.mark(by);
    if (record === undefined) return;
    const { seq, level, message } = record;
    const bad = level === "error" || level === "fatal" || level === "warn" ? `${level}, ` : "";
    this.#parts.read(`${bad}line ${seq}: ${withoutColours(message.slice(0, READ_OUT))}`);
  }

  fold(): boolean {
    const { board } = this.#parts;
    if (board.marked === undefined) return false;
    board.toggle();
    return true;
  }

  choose(upTo: boolean): void {
    const { board, choice, say } = this.#parts;
    if (board.marked === undefined) say("No line is marked: j and k mark one");
    else choice.start(board.marked, upTo);
  }

  wrap(): void {
    const { wrap } = this.#prefer({ wrap: !preferences().wrap });
    this.#parts.say(wrap ? "Long lines are wrapped" : "Long lines are not wrapped");
  }

  times(): void {
    const at = TIMES.indexOf(preferences().times);
    this.#prefer({ times: TIMES[(at + 1) % TIMES.length] ?? "none" });
  }

  goTo(): void {
    this.goto.open();
  }

  end(): void {
    this.#parts.board.viewport.follow(true);
  }

  large(): void {
    this.#large = !this.#large;
    setLarge(this.#parts.view, this.#large);
    this.#focus();
    this.#parts.changed();
  }

  help(): void {
    this.#help.open(this.#parts.view);
  }

  back(): boolean {
    const { choice, filters } = this.#parts;
    if (choice.active) choice.clear();
    else if (!filters.element.hidden) filters.close();
    else if (this.#large) this.large();
    else return false;
    return true;
  }

  copy(): boolean {
    // What is selected as text is the browser's to copy.
    if (!this.#parts.choice.active || getSelection()?.isCollapsed === false) return false;
    void this.#parts.choice.copy();
    return true;
  }

  // --- acts that take a while ---

  async #toError(by: number): Promise<void> {
    const { source, filters, board, log } = this.#parts;
    const filter = { ...filters.filter, levels: ["error", "fatal"] as const };
    const of = JSON.stringify(filter);
    const known = this.#errors?.of === of ? this.#errors.hits : undefined;
    const hits = known ?? new Hits(source, filter);
    this.#errors = { hits, of, seq: this.#errors?.seq };
    try {
      // From the end one looks back at the newest, or begins at the first: what went wrong first is what matters.
      const start = () => (board.viewport.following ? (by > 0 ? hits.first() : hits.newest()) : hits.near(board.seq));
      const hit = await (known === undefined || hits.total === 0 ? start() : this.#beyond(hits, by));
      if (hit === undefined || this.#ended.signal.aborted) return;
      this.#errors = { hits, of, seq: hit.seq };
      if (hit.seq !== undefined) void board.reveal(hit.seq, undefined, true);
      const none = log.lines.last === 0 ? "No lines yet" : "No errors";
      this.#parts.say(hit.total === 0 ? none : `Error ${thousands(hit.nth + 1)} of ${thousands(hit.total)}`);
    } catch (error) {
      this.#parts.say(error instanceof Error ? error.message : String(error));
    }
  }

  /** Each line of a traceback is an error: of one that is in sight the next is behind it. */
  #beyond(hits: Hits, by: number): Promise<Hit | undefined> {
    const { marked, together } = this.#parts.board;
    const isAtHit = marked === this.#errors?.seq && together?.from === together?.to;
    return together === undefined || isAtHit ? hits.step(by) : hits.beyond(together, by);
  }

  async #download(): Promise<void> {
    const { source, filters, log, say } = this.#parts;
    say("Collecting the lines…");
    try {
      const taken = await takeLines(source, filters.filter, 1, log.lines.last, this.#ended.signal);
      const link = document.createElement("a");
      link.href = URL.createObjectURL(new Blob([taken.text], { type: "text/plain" }));
      link.download = `${source.workload || "log"}.filtered.txt`;
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
      say(`${thousands(taken.lines)} lines${taken.cut ? ", more than a page can hold: the rest is left out" : ""}`);
    } catch (error) {
      if (!this.#ended.signal.aborted) say(error instanceof Error ? error.message : String(error));
    }
  }

  #prefer(changes: Partial<Preferences>): Preferences {
    const preferred = prefer(changes);
    this.#parts.board.taste = preferred;
    this.#menu.update(preferred, Object.keys(this.#parts.filters.filter).length > 0, this.#large);
    this.#parts.changed();
    return preferred;
  }

  #focus(): void {
    this.#parts.board.viewport.element.focus({ preventScroll: true });
  }
}
