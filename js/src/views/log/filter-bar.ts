// Filter bar: turns the user's search (text, levels, source, step) into a filter, hits and scrollbar marks. DOM only.
// The line list that is filtered is injected as a FilterDelegate.

import { type Hit, Hits } from "../../log/hits.js";
import { contextLines, EMPTY_SEARCH, hitsFilter, isSameFilter, rowsFilter, type Search } from "../../log/search.js";
import type { LogSource, MatchDensity } from "../../protocol/log-source.js";
import { highlighter, isEmpty } from "../../protocol/query.js";
import type { Level, StreamFilter } from "../../protocol/types.js";
import { thousands } from "../../text/format.js";
import { element } from "../dom/dom.js";
import { Chips, type LevelCounts } from "./chips.js";
import { countText, Find } from "./find.js";
import type { Highlight } from "./line-text.js";

/** What the filter bar needs of the view. */
export interface FilterDelegate {
  /** Shows only matching lines, with `around` lines of context. */
  applyFilter(filter: StreamFilter, around?: number): void;
  highlight(highlight: Highlight | undefined): void;
  /** Shows a record and makes it the current line; undefined: none is. `key`: its row key, if known. */
  reveal(seq: number | undefined, key?: number): void;
  /** The seq at the top, undefined while the end is followed; and the newest seq. */
  position(): { seq: number | undefined; last: number };
  /** Shows where the hits are, as marks beside the scrollbar. */
  showDensity(hits: MatchDensity | undefined): void;
  onOpen(): void;
  onClose(): void;
}

/** In a log with more lines, counting all hits takes a while, so a hit near the visible lines is shown first. */
const LONG_LOG_LINES = 50_000;
/** While the end is followed, a near hit is searched in the last lines: these many, then these. */
const NEAR_LINES = [5000, 200_000] as const;
const MAX_NEAR_HITS = 5000;
/** The search for a near hit delays the count by at most this. */
const NEAR_HIT_TIMEOUT_MS = 150;

/** While the log grows, hits are recounted at this interval, plus 1 ms for each LINES_PER_MS lines. */
const RECOUNT_INTERVAL_MS = 2000;
const LINES_PER_MS = 200;

export class FilterBar {
  readonly element: HTMLElement;
  readonly #source: LogSource;
  readonly #delegate: FilterDelegate;
  readonly #find: Find;
  readonly #chips: Chips;
  #search: Search = EMPTY_SEARCH;
  #hits: Hits | undefined;
  /** The newest line at the last count, and when that was. */
  #countedUpTo = 0;
  #countedAt = 0;
  #nearSearch: AbortController | undefined;

  constructor(source: LogSource, delegate: FilterDelegate) {
    this.#source = source;
    this.#delegate = delegate;
    this.#find = new Find({
      search: (text, mode) => this.#change({ text, mode }),
      hits: () => this.#hits,
      firstHit: (hits) => this.#firstHit(hits),
      // When only matches are shown, the n-th hit is the n-th row.
      reveal: (seq, nth) => this.#delegate.reveal(seq, this.#search.mode === "only" ? nth + 1 : undefined),
      close: () => this.close(),
    });
    this.#chips = new Chips(
      {
        level: (level) => this.toggleLevel(level),
        source: (one) => this.#restrict({ source: this.#search.source === one ? undefined : one }),
        step: (step) => this.#restrict({ step }),
      },
      source.title === undefined,
    );
    this.element = element("div", "filterbar", this.#find.element, this.#chips.element);
    this.element.hidden = true;
  }

  get search(): Search {
    return this.#search;
  }

  /** The filter of the lines that are shown. */
  get filter(): StreamFilter {
    return rowsFilter(this.#search);
  }

  open(): void {
    this.element.hidden = false;
    this.#delegate.onOpen();
    this.#find.focus();
  }

  /** Hides the bar and shows all lines. */
  close(): void {
    this.element.hidden = true;
    this.#find.clear();
    this.#change(EMPTY_SEARCH);
    this.#delegate.reveal(undefined);
    this.#delegate.onClose();
  }

  /** Adds a level to the filter, or removes it. */
  toggleLevel(level: Level): void {
    this.element.hidden = false;
    const { levels } = this.#search;
    this.#restrict({ levels: levels.includes(level) ? levels.filter((one) => one !== level) : [...levels, level] });
  }

  /** Shows only the lines of a step; undefined: of all steps. */
  filterStep(step: string | undefined): void {
    if (step !== undefined) this.element.hidden = false;
    this.#restrict({ step });
  }

  next(by: number): void {
    this.#find.step(by);
  }

  update(counts: LevelCounts, matchCount: number | undefined, filterError: string): void {
    if (this.element.hidden) return;
    this.#chips.update(this.#search, counts);
    if (filterError !== "") this.#find.showCount(filterError);
    else if (this.#hits === undefined && matchCount !== undefined) {
      this.#find.showCount(`${thousands(matchCount)} lines`);
    }
    this.#recount();
  }

  dispose(): void {
    this.#hits?.stop();
    this.#nearSearch?.abort();
    this.#find.dispose();
    this.#chips.dispose();
  }

  async #firstHit(hits: Hits): Promise<Hit | undefined> {
    const { seq, last } = this.#delegate.position();
    this.#countedUpTo = last;
    if (last > LONG_LOG_LINES && isEmpty(this.filter)) {
      const near = this.#showNearHit(hits, seq, last);
      await Promise.race([near, new Promise((resolve) => setTimeout(resolve, NEAR_HIT_TIMEOUT_MS))]);
      if (hits !== this.#hits) return undefined;
    }
    const hit = await (seq === undefined ? hits.newest() : hits.near(seq));
    if (hit !== undefined && hits === this.#hits) this.#delegate.showDensity(hits.density);
    return hit;
  }

  async #showNearHit(hits: Hits, seq: number | undefined, last: number): Promise<void> {
    this.#nearSearch?.abort();
    this.#nearSearch = new AbortController();
    const { signal } = this.#nearSearch;
    const searches =
      seq === undefined ? NEAR_LINES.map((lines) => [last - lines, MAX_NEAR_HITS] as const) : [[seq - 1, 1] as const];
    let near: number | undefined;
    for (const [after, limit] of searches) {
      // The count sends the same query, and reports the error if it fails.
      const found = await this.#source.seqs(hits.filter, Math.max(0, after), limit, signal).catch(() => []);
      if (found.length === MAX_NEAR_HITS) break; // the newest hit can be beyond these
      near ??= found.at(-1);
      if (near !== undefined) break;
    }
    if (near !== undefined && !signal.aborted && hits === this.#hits && hits.nth < 0) this.#delegate.reveal(near);
  }

  /** Changes which lines are searched, and searches them for the same text. */
  #restrict(changes: Partial<Search>): void {
    this.#change(changes);
    if (this.#hits !== undefined) this.#find.repeat();
  }

  #change(changes: Partial<Search>): void {
    const before = this.#search;
    this.#search = { ...before, ...changes };
    const [filter, hits] = [rowsFilter(this.#search), hitsFilter(this.#search)];
    const around = contextLines(this.#search);
    if (!isSameFilter(filter, rowsFilter(before)) || around !== contextLines(before)) {
      this.#delegate.applyFilter(filter, around);
    }
    if (this.#search.text !== before.text) this.#delegate.highlight(highlighter(this.#search.text));
    if (hits !== undefined && this.#hits !== undefined && isSameFilter(hits, hitsFilter(before) ?? {})) return;
    this.#hits?.stop();
    this.#nearSearch?.abort();
    this.#hits = hits === undefined ? undefined : new Hits(this.#source, hits);
    this.#find.showCount("");
    this.#delegate.showDensity(undefined);
  }

  #recount(): void {
    const { last } = this.#delegate.position();
    const hits = this.#hits;
    if (hits === undefined || hits.nth < 0 || last === this.#countedUpTo) return;
    const now = performance.now();
    if (now - this.#countedAt < RECOUNT_INTERVAL_MS + last / LINES_PER_MS) return;
    this.#countedAt = now;
    this.#countedUpTo = last;
    const known = hits.total;
    void hits.recount().then(
      (total) => {
        if (total === undefined || hits !== this.#hits || total <= known) return;
        this.#find.showCount(countText({ nth: hits.nth, total, stopped: hits.density?.stopped }));
        this.#delegate.showDensity(hits.density);
      },
      () => undefined, // the previous count stays
    );
  }
}
