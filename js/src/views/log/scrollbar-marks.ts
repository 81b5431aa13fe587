// Marks beside the scrollbar: where matches and errors are in the complete log. DOM (SVG) only.
// Matches are set from outside; errors are counted again as the log grows, with a bounded rate.

import { DENSITY_PARTS } from "../../log/match-rank.js";
import { paceOf } from "../../log/overview/overview.js";
import type { MatchDensity } from "../../protocol/log-source.js";
import type { StreamFilter } from "../../protocol/types.js";
import { svg } from "../dom/dom.js";

const ERRORS: StreamFilter = { levels: ["error", "fatal"] };

type CountMatches = (filter: StreamFilter, parts: number, signal: AbortSignal) => Promise<MatchDensity>;

export class ScrollbarMarks {
  readonly element: SVGElement;
  readonly #countMatches: CountMatches;
  readonly #paths = { error: svg("path", "error"), hit: svg("path", "hit") };
  readonly #disposed = new AbortController();
  #countedAt = Number.NEGATIVE_INFINITY;
  #countedUpTo = 0;

  constructor(countMatches: CountMatches) {
    this.#countMatches = countMatches;
    this.element = svg("svg", "marks", this.#paths.error, this.#paths.hit);
    this.element.setAttribute("viewBox", `0 0 1 ${DENSITY_PARTS}`);
    this.element.setAttribute("preserveAspectRatio", "none");
    this.element.setAttribute("aria-hidden", "true");
  }

  /** Where the matches are; undefined: none are marked. */
  set hits(hits: MatchDensity | undefined) {
    this.#show("hit", hits);
  }

  /** `last`: the newest line. `hasErrors`: whether there are errors to count. `ended`: whether the log is complete. */
  update(last: number, hasErrors: boolean, ended: boolean): void {
    const now = performance.now();
    if (last === this.#countedUpTo || (now - this.#countedAt < paceOf(last) && !ended)) return;
    this.#countedAt = now;
    this.#countedUpTo = last;
    if (hasErrors) void this.#countErrors();
  }

  dispose(): void {
    this.#disposed.abort();
  }

  async #countErrors(): Promise<void> {
    const { signal } = this.#disposed;
    // Marks are optional: if the request fails, the previous ones stay.
    const errors = await this.#countMatches(ERRORS, DENSITY_PARTS, signal).catch(() => undefined);
    if (errors !== undefined && !signal.aborted) this.#show("error", errors);
  }

  #show(kind: "error" | "hit", density: MatchDensity | undefined): void {
    const bars = density?.marks.map((n, i) => (n === 0 ? "" : `M0 ${i}h1v1h-1z`)) ?? [];
    this.#paths[kind].setAttribute("d", bars.join(""));
  }
}
