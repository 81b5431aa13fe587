// Navigation from error to error in the complete log, within the current filter. DOM only.

import { type Hit, Hits } from "../../log/hits.js";
import type { Log } from "../../log/log.js";
import type { LogSource } from "../../protocol/log-source.js";
import { thousands } from "../../text/format.js";
import type { FilterBar } from "./filter-bar.js";
import type { LineList } from "./line-list.js";

export interface ErrorNavigatorContext {
  readonly log: Log;
  readonly source: LogSource;
  readonly list: LineList;
  readonly filters: FilterBar;
  /** Shows a short confirmation. */
  toast(text: string): void;
}

export class ErrorNavigator {
  readonly #context: ErrorNavigatorContext;
  #hits: Hits | undefined;
  /** The filter of `#hits`, as JSON. */
  #filter = "";
  /** The error that was shown last. */
  #seq: number | undefined;
  #disposed = false;

  constructor(context: ErrorNavigatorContext) {
    this.#context = context;
  }

  /** Shows the next error, or the previous one (`by` -1). Rejects if the server refuses the query. */
  async step(by: number): Promise<void> {
    const { source, filters, list, log, toast } = this.#context;
    const filter = { ...filters.filter, levels: ["error", "fatal"] as const };
    const key = JSON.stringify(filter);
    const known = this.#filter === key ? this.#hits : undefined;
    const hits = known ?? new Hits(source, filter);
    [this.#hits, this.#filter] = [hits, key];
    const hit = await (known === undefined || hits.total === 0 ? this.#first(hits, by) : this.#next(hits, by));
    if (hit === undefined || this.#disposed) return;
    this.#seq = hit.seq;
    if (hit.seq !== undefined) void list.reveal(hit.seq, undefined, true);
    const none = log.lines.last === 0 ? "No lines yet" : "No errors";
    toast(hit.total === 0 ? none : `Error ${thousands(hit.nth + 1)} of ${thousands(hit.total)}`);
  }

  dispose(): void {
    this.#disposed = true;
    this.#hits?.stop();
  }

  /** From the end, "previous" shows the newest error and "next" the first one: usually the cause of the others. */
  #first(hits: Hits, by: number): Promise<Hit | undefined> {
    const { viewport, topSeq } = this.#context.list;
    if (!viewport.following) return hits.near(topSeq);
    return by > 0 ? hits.first() : hits.newest();
  }

  /** Each line of a traceback is an error, so the next error comes after the whole group of the current line. */
  #next(hits: Hits, by: number): Promise<Hit | undefined> {
    const { currentSeq, currentGroup } = this.#context.list;
    const isSingleHit = currentSeq === this.#seq && currentGroup?.from === currentGroup?.to;
    return currentGroup === undefined || isSingleHit ? hits.step(by) : hits.beyond(currentGroup, by);
  }
}
