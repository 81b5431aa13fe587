// The progress bars that move now, from readings as they come: which are one bar, which are done, which were wiped.
// Bounded (MAX); pure: times are given in ms, and nothing here draws.

import type { LogRecord } from "../../protocol/types.js";
import { type Reading, readBar } from "../../text/progress-bars.js";
import { shortened, withoutColours } from "../../text/text.js";

/** Bars kept; of more the one that has not moved for longest goes. */
export const MAX = 12;
/** A finished bar is still shown for this long; the log keeps its line. */
const LINGERS_MS = 5000;
/** A bar that other text has taken the line of, and that is not drawn again in this time, is no more. */
const WIPED_MS = 10_000;
const LONGEST_LABEL = 120;
/** Keys of replaced bars remembered; beyond it all are forgotten, which costs a flicker at most. */
const REMEMBERED = 64;

export interface Bar extends Reading {
  readonly key: string;
  readonly source: string;
  /** When it began and when it last moved, ms. */
  readonly started: number;
  readonly updated: number;
  /** The record that holds its last line, once it is one. */
  readonly seq?: number | undefined;
  readonly state: "moving" | "done" | "stopped";
  /** Since when its line holds something else. */
  readonly wiped?: number;
}

export class ProgressBars {
  readonly #bars = new Map<string, Bar>();
  /** Per source: the last line that was no bar, which may be the name of the next one. */
  readonly #context = new Map<string, string>();
  /** Per source: which bar the line being written shows. */
  readonly #current = new Map<string, string>();
  /** Keys of bars that another one took the place of, and families of bars that stand side by side. */
  readonly #replaced = new Set<string>();
  readonly #sideBySide = new Set<string>();

  /** The line being written, as a `progress` frame has it. True if it is a bar. */
  rewrite(source: string, text: string, now: number): boolean {
    const reading = readBar(text, true);
    if (reading === undefined) this.#wipe(source, now);
    else this.#take(source, reading, now, undefined);
    return reading !== undefined;
  }

  /** A record. True if it is a bar's line. `now`: its own time will do. */
  record(record: LogRecord, now = record.ts): boolean {
    const reading = readBar(record.message);
    if (reading !== undefined) {
      this.#take(record.source, reading, now, record.seq);
      return true;
    }
    this.#wipe(record.source, now);
    const text = record.message.length > 500 ? "" : withoutColours(record.message).trim();
    if (text !== "") this.#context.set(record.source, text);
    return false;
  }

  /** The workload has ended: what was not finished stays, as stopped. */
  end(): void {
    for (const [key, bar] of this.#bars) {
      if (bar.state === "done" || bar.wiped !== undefined) this.#bars.delete(key);
      else this.#bars.set(key, { ...bar, state: "stopped", eta: undefined });
    }
  }

  clear(): void {
    this.#bars.clear();
    this.#context.clear();
    this.#current.clear();
    this.#replaced.clear();
    this.#sideBySide.clear();
  }

  /** What is to be shown now, in order of first appearance. */
  shown(now: number): readonly Bar[] {
    for (const [key, bar] of this.#bars) {
      const done = bar.state === "done" && now - bar.updated > LINGERS_MS;
      const wiped = bar.wiped !== undefined && now - bar.wiped > WIPED_MS;
      if (done || wiped) this.#bars.delete(key);
    }
    return [...this.#bars.values()];
  }

  #take(source: string, reading: Reading, now: number, seq: number | undefined): void {
    const label = reading.nameless ? this.#named(source) : shortened(reading.label, LONGEST_LABEL);
    const key = `${source} ${label} ${reading.total ?? ""}`;
    const before = this.#bars.get(key);
    // Of a line seen once at 100 % there is nothing to watch; but it may finish one that is shown.
    if (before === undefined && reading.fraction === 1) return;
    const again = before === undefined || (before.fraction ?? 0) > (reading.fraction ?? 1) + 0.001;
    const started = again ? now : before.started;
    if (before === undefined) this.#dropPredecessors(source, label, key);
    const eta = reading.eta ?? guessedEta(reading.fraction, now - started);
    // One whose total nobody knows is done when its line is.
    const done = reading.fraction === undefined ? seq !== undefined : reading.fraction === 1;
    const state = done ? "done" : "moving";
    this.#bars.set(key, { ...reading, label, eta, key, source, started, updated: now, seq, state });
    this.#current.set(source, key);
    if (this.#bars.size > MAX) this.#forgetOldest();
  }

  #wipe(source: string, now: number): void {
    const key = this.#current.get(source);
    if (key === undefined) return;
    this.#current.delete(source);
    const bar = this.#bars.get(key);
    if (bar !== undefined && bar.state === "moving") this.#bars.set(key, { ...bar, wiped: now });
  }

  /** A nameless bar is called by the line before it, where that reads like a name (rsync, pip, Keras). */
  #named(source: string): string {
    const line = this.#context.get(source) ?? "";
    const url = /\b(?:https?|file):\/\/\S*\/([^\s/?#]+)/.exec(line)?.[1];
    if (url !== undefined) return shortened(url, LONGEST_LABEL);
    return line.length <= 60 && !/[={}]|\.$|:\s*[-\d.]+$/.test(line) ? line : "";
  }

  /**
   * "batch 1" takes the place of "batch 0", which is done, or which its program has wiped unfinished. One that comes back
   * has proven that such bars stand side by side ("worker 0", "worker 1"): of those none is dropped any more.
   */
  #dropPredecessors(source: string, label: string, key: string): void {
    const family = `${source} ${skeleton(label)}`;
    if (this.#replaced.has(key)) this.#sideBySide.add(family);
    if (label === "" || this.#sideBySide.has(family)) return;
    for (const [other, bar] of this.#bars) {
      const sibling = bar.source === source && bar.label !== label && skeleton(bar.label) === skeleton(label);
      if (!sibling || (bar.state === "moving" && bar.updated === bar.started)) continue;
      this.#bars.delete(other);
      if (bar.state !== "moving") continue;
      if (this.#replaced.size >= REMEMBERED) this.#replaced.clear();
      this.#replaced.add(other);
    }
  }

  #forgetOldest(): void {
    const oldest = [...this.#bars.values()].reduce((a, b) => (b.updated < a.updated ? b : a));
    this.#bars.delete(oldest.key);
  }
}

function skeleton(label: string): string {
  return label.replace(/\d+/g, "#");
}

function guessedEta(fraction: number | undefined, elapsed: number): number | undefined {
  if (fraction === undefined || fraction <= 0 || fraction === 1 || elapsed < 1000) return undefined;
  return ((elapsed / 1000) * (1 - fraction)) / fraction;
}
