// The bar above the lines: what to find and what to show. Holds what the user asks for and turns it into filters, hits and
// marks; the sheet that is filtered and the screen are injected. DOM only.

import { type Hit, Hits } from "../../log/hits.js";
import { contextLines, EMPTY_SEARCH, hitsFilter, isSameFilter, rowsFilter, type Search } from "../../log/search.js";
import type { LogSource, MatchDensity } from "../../protocol/log-source.js";
import { highlighter, isEmpty } from "../../protocol/query.js";
import type { Level, StreamFilter } from "../../protocol/types.js";
import { thousands } from "../../text/format.js";
import { element } from "../dom/dom.js";
import { Chips } from "./chips.js";
import { Find } from "./find.js";
import type { Highlight } from "./line-text.js";

/** The screen, as far as a question is about it. */
export interface FilterDelegate {
  choose(filter: StreamFilter, around?: number): void;
  highlight(highlight: Highlight | undefined): void;
  /** Shows a record, or marks none any more; `key`: where it stands, as far as that is known. */
  reveal(seq: number | undefined, key?: number): void;
  /** Where the user is: the seq at the top, or undefined while the end is followed; and the newest there is. */
  place(): { seq: number | undefined; last: number };
  /** Where the hits lie, once that is known: for marks beside the scrollbar. */
  marked(hits: MatchDensity | undefined): void;
  /** The bar is to be seen: tell it what there is. */
  opened(): void;
  /** The bar was closed: give the focus back. */
  closed(): void;
}

/** Counting the hits of a longer log takes a while, so what lies near is shown before. */
const LONG = 50_000;
/** Where the end is followed, these last lines are near: one after the other, as far as nothing is found. */
const NEAR = [5000, 200_000] as const;
const MOST = 5000;
/** Longer than this the count does not wait for it. */
const GLIMPSE_MS = 150;

/** While the log grows, its hits are counted anew once in this time; of a long log rarer. */
const RECOUNT_MS = 2000;
const LINES_PER_MS = 200;

export class FilterBar {
  readonly element: HTMLElement;
  readonly #source: LogSource;
  readonly #shown: FilterDelegate;
  readonly #find: Find;
  readonly #chips: Chips;
  #search: Search = EMPTY_SEARCH;
  #hits: Hits | undefined;
  #counted = 0;
  #recounted = 0;
  #glimpsing: AbortController | undefined;

  constructor(source: LogSource, shown: FilterDelegate) {
    this.#source = source;
    this.#shown = shown;
    this.#find = new Find({
      asked: (text, mode) => this.#change({ text, mode }),
      hits: () => this.#hits,
      first: (hits) => this.#first(hits),
      // Where the hits are all there is to see, the n-th of them is the n-th row.
      reveal: (seq, nth) => this.#shown.reveal(seq, this.#search.mode === "only" ? nth + 1 : undefined),
      close: () => this.close(),
    });
    this.#chips = new Chips(
      {
        level: (level) => this.toggle(level),
        source: (one) => this.#narrow({ source: this.#search.source === one ? undefined : one }),
        step: (step) => this.#narrow({ step }),
      },
      source.title === undefined,
    );
    this.element = element("div", "filterbar", this.#find.element, this.#chips.element);
    this.element.hidden = true;
  }

  get search(): Search {
    return this.#search;
  }

  /** The lines that are shown now, and the same for who asks for them elsewhere. */
  get filter(): StreamFilter {
    return rowsFilter(this.#search);
  }

  open(): void {
    this.element.hidden = false;
    this.#shown.opened();
    this.#find.focus();
  }

  /** Everything is shown again. */
  close(): void {
    this.element.hidden = true;
    this.#find.clear();
    this.#change(EMPTY_SEARCH);
    this.#shown.reveal(undefined);
    this.#shown.closed();
  }

  /** Shows the lines of a level, or all again. */
  toggle(level: Level): void {
    this.element.hidden = false;
    const { levels } = this.#search;
    this.#narrow({ levels: levels.includes(level) ? levels.filter((one) => one !== level) : [...levels, level] });
  }

  /** Shows the lines of one step, or of all. */
  step(step: string | undefined): void {
    if (step !== undefined) this.element.hidden = false;
    this.#narrow({ step });
  }

  next(by: number): void {
    this.#find.step(by);
  }

  update(counts: ReadonlyMap<Level, number>, matching: number | undefined, trouble: string): void {
    if (this.element.hidden) return;
    this.#chips.update(this.#search, counts);
    if (trouble !== "") this.#find.told(trouble);
    else if (this.#hits === undefined && matching !== undefined) this.#find.told(`${thousands(matching)} lines`);
    this.#recount();
  }

  dispose(): void {
    this.#hits?.stop();
    this.#glimpsing?.abort();
    this.#find.dispose();
    this.#chips.dispose();
  }

  async #first(hits: Hits): Promise<Hit | undefined> {
    const { seq, last } = this.#shown.place();
    this.#counted = last;
    if (last > LONG && isEmpty(this.filter)) {
      const glimpse = this.#glimpse(hits, seq, last);
      await Promise.race([glimpse, new Promise((resolve) => setTimeout(resolve, GLIMPSE_MS))]);
      if (hits !== this.#hits) return undefined;
    }
    const hit = await (seq === undefined ? hits.newest() : hits.near(seq));
    if (hit !== undefined && hits === this.#hits) this.#shown.marked(hits.marks);
    return hit;
  }

  async #glimpse(hits: Hits, seq: number | undefined, last: number): Promise<void> {
    this.#glimpsing?.abort();
    this.#glimpsing = new AbortController();
    const { signal } = this.#glimpsing;
    const places = seq === undefined ? NEAR.map((near) => [last - near, MOST] as const) : [[seq - 1, 1] as const];
    let near: number | undefined;
    for (const [after, limit] of places) {
      // Should it fail, so will the search itself, and that has words for it.
      const found = await this.#source.seqs(hits.filter, Math.max(0, after), limit, signal).catch(() => []);
      if (found.length === MOST) break; // the newest is not among these: the count will tell
      near ??= found.at(-1);
      if (near !== undefined) break;
    }
    if (near !== undefined && !signal.aborted && hits === this.#hits && hits.nth < 0) this.#shown.reveal(near);
  }

  /** Other lines are looked at: what is searched for is searched for among them. */
  #narrow(changes: Partial<Search>): void {
    this.#change(changes);
    if (this.#hits !== undefined) this.#find.again();
  }

  #change(changes: Partial<Search>): void {
    const before = this.#search;
    this.#search = { ...before, ...changes };
    const [filter, hits] = [rowsFilter(this.#search), hitsFilter(this.#search)];
    const around = contextLines(this.#search);
    if (!isSameFilter(filter, rowsFilter(before)) || around !== contextLines(before))
      this.#shown.choose(filter, around);
    if (this.#search.text !== before.text) this.#shown.highlight(highlighter(this.#search.text));
    if (hits !== undefined && this.#hits !== undefined && isSameFilter(hits, hitsFilter(before) ?? {})) return;
    this.#hits?.stop();
    this.#glimpsing?.abort();
    this.#hits = hits === undefined ? undefined : new Hits(this.#source, hits);
    this.#find.told("");
    this.#shown.marked(undefined);
  }

  #recount(): void {
    const { last } = this.#shown.place();
    const now = performance.now();
    const hits = this.#hits;
    if (
      hits === undefined ||
      hits.nth < 0 ||
      last === this.#counted ||
      now - this.#recounted < RECOUNT_MS + last / LINES_PER_MS
    )
      return;
    this.#recounted = now;
    this.#counted = last;
    const known = hits.total;
    void hits.recount().then(
      (total) => {
        if (total === undefined || hits !== this.#hits || total <= known) return;
        this.#find.told(`${thousands(hits.nth + 1)} of ${thousands(total)}`);
        this.#shown.marked(hits.marks);
      },
      () => undefined, // it was counted once; a failure now is not worth a word
    );
  }
}
