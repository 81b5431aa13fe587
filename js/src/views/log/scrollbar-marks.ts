// Marks beside the scrollbar: where in the whole log the hits lie, and the errors. DOM only; it is told of hits, and asks who
// is injected for errors, anew as the log grows, once in a while.

import { DENSITY_PARTS } from "../../log/match-rank.js";
import { paceOf } from "../../log/overview/overview.js";
import type { MatchDensity } from "../../protocol/log-source.js";
import type { StreamFilter } from "../../protocol/types.js";

const ERRORS: StreamFilter = { levels: ["error", "fatal"] };
const SVG = "http://www.w3.org/2000/svg";

type Count = (filter: StreamFilter, parts: number, signal: AbortSignal) => Promise<MatchDensity>;

export class ScrollbarMarks {
  readonly element = document.createElementNS(SVG, "svg");
  readonly #count: Count;
  readonly #paths = { error: path("error"), hit: path("hit") };
  #asked: AbortController | undefined;
  #at = Number.NEGATIVE_INFINITY;
  #last = 0;

  constructor(count: Count) {
    this.#count = count;
    this.element.setAttribute("class", "marks");
    this.element.setAttribute("viewBox", `0 0 1 ${DENSITY_PARTS}`);
    this.element.setAttribute("preserveAspectRatio", "none");
    this.element.setAttribute("aria-hidden", "true");
    this.element.append(this.#paths.error, this.#paths.hit);
  }

  /** Where the hits lie; undefined: there are none to be seen. */
  set hits(hits: MatchDensity | undefined) {
    this.#show("hit", hits);
  }

  /** The log has lines up to `last` and, as far as known, errors; `ended`: there won't be more. */
  update(last: number, errors: boolean, ended: boolean): void {
    const now = performance.now();
    if (last === this.#last || (now - this.#at < paceOf(last) && !ended)) return;
    this.#at = now;
    this.#last = last;
    if (errors) void this.#askErrors();
  }

  dispose(): void {
    this.#asked?.abort();
  }

  async #askErrors(): Promise<void> {
    const asked = this.#asked ?? new AbortController();
    this.#asked = asked;
    // Marks are a help, not the log: where they can't be had, there are none.
    const counted = await this.#count(ERRORS, DENSITY_PARTS, asked.signal).catch(() => undefined);
    if (counted !== undefined && !asked.signal.aborted) this.#show("error", counted);
  }

  #show(kind: "error" | "hit", counted: MatchDensity | undefined): void {
    const bars = counted?.marks.map((n, i) => (n === 0 ? "" : `M0 ${i}h1v1h-1z`)) ?? [];
    this.#paths[kind].setAttribute("d", bars.join(""));
  }
}

function path(kind: string): SVGPathElement {
  const made = document.createElementNS(SVG, "path");
  made.setAttribute("class", kind);
  return made;
}
