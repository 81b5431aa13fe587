// Marks beside the scrollbar: where in the whole log the hits lie, and the errors. DOM only; who counts is injected. It is
// asked anew as the log grows, once in a while.

import { paceOf } from "../core/overview.js";
import { PARTS } from "../core/rank.js";
import type { Marks } from "../core/source.js";
import type { StreamFilter } from "../core/types.js";

const ERRORS: StreamFilter = { levels: ["error", "fatal"] };
const SVG = "http://www.w3.org/2000/svg";

type Count = (filter: StreamFilter, parts: number, signal: AbortSignal) => Promise<Marks>;

export class ScrollMarks {
  readonly element = document.createElementNS(SVG, "svg");
  readonly #count: Count;
  readonly #paths = { error: path("error"), hit: path("hit") };
  #hits: StreamFilter | undefined;
  #asked: AbortController | undefined;
  #at = Number.NEGATIVE_INFINITY;
  #last = 0;

  constructor(count: Count) {
    this.#count = count;
    this.element.setAttribute("class", "marks");
    this.element.setAttribute("viewBox", `0 0 1 ${PARTS}`);
    this.element.setAttribute("preserveAspectRatio", "none");
    this.element.setAttribute("aria-hidden", "true");
    this.element.append(this.#paths.error, this.#paths.hit);
  }

  set hits(hits: StreamFilter | undefined) {
    this.#hits = hits;
    if (hits === undefined) this.#paths.hit.setAttribute("d", "");
    else void this.#draw("hit", hits);
  }

  /** The log has lines up to `last` and, as far as known, errors; `ended`: there won't be more. */
  update(last: number, errors: boolean, ended: boolean): void {
    const now = performance.now();
    if (last === this.#last || (now - this.#at < paceOf(last) && !ended)) return;
    this.#at = now;
    this.#last = last;
    if (errors) void this.#draw("error", ERRORS);
    if (this.#hits !== undefined) void this.#draw("hit", this.#hits);
  }

  dispose(): void {
    this.#asked?.abort();
  }

  async #draw(kind: "error" | "hit", filter: StreamFilter): Promise<void> {
    const asked = this.#asked ?? new AbortController();
    this.#asked = asked;
    // Marks are a help, not the log: where they can't be had, there are none.
    const counted = await this.#count(filter, PARTS, asked.signal).catch(() => undefined);
    if (counted === undefined || asked.signal.aborted || (kind === "hit" && filter !== this.#hits)) return;
    const bars = counted.marks.map((n, i) => (n === 0 ? "" : `M0 ${i}h1v1h-1z`));
    this.#paths[kind].setAttribute("d", bars.join(""));
  }
}

function path(kind: string): SVGPathElement {
  const made = document.createElementNS(SVG, "path");
  made.setAttribute("class", kind);
  return made;
}
