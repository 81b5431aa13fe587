// Tracker of live progress bars: merges readings into bars and knows which are done or wiped. Page; pure; times in ms.

import type { LogRecord } from "../../protocol/types.js";
import { type Reading, readBar, readReported } from "../../text/progress-bars.js";
import { shortened, withoutColours } from "../../text/text.js";

/** Most bars; beyond, the bar that has not moved for longest is dropped. */
export const MAX_BARS = 12;
/** A finished bar is shown for this long. */
const LINGER_MS = 5000;
/** A bar whose line was overwritten by other text is dropped unless it is drawn again within this time. */
const WIPED_MS = 10_000;
const MAX_LABEL_CHARS = 120;
/** Keys of replaced bars; beyond, all are forgotten, which costs a flicker at most. */
const MAX_REPLACED = 64;

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
  /** Per source: the last line that was no bar: it can be the label of the next one. */
  readonly #context = new Map<string, string>();
  /** Per source: which bar the line being written shows. */
  readonly #current = new Map<string, string>();
  /** Keys of bars that were replaced, and families of bars that are shown side by side. */
  readonly #replaced = new Set<string>();
  readonly #sideBySide = new Set<string>();

  /** Reads the line being written, from a `progress` frame. True if it is a bar. */
  rewrite(source: string, text: string, now: number): boolean {
    const reading = readBar(text, true) ?? readReported(text);
    if (reading === undefined) this.#wipe(source, now);
    else this.#take(source, reading, now, undefined);
    return reading !== undefined;
  }

  /** Reads a record. True if it is a bar. */
  record(record: LogRecord, now = record.ts): boolean {
    const reading = readBar(record.message) ?? readReported(record.message) ?? this.#lastState(record);
    if (reading !== undefined) {
      this.#take(record.source, reading, now, record.seq);
      return true;
    }
    this.#wipe(record.source, now);
    const text = record.message.length > 500 ? "" : withoutColours(record.message).trim();
    if (text !== "") this.#context.set(record.source, text);
    return false;
  }

  /** The last state of a bar that was rewritten: it is read as one although a line alone would be ambiguous. */
  #lastState({ source, message }: LogRecord): Reading | undefined {
    const reading = readBar(message, true);
    return reading !== undefined && this.#bars.has(this.#keyOf(source, reading)) ? reading : undefined;
  }

  /** The workload ended: unfinished bars stay, as stopped. */
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

  /** The bars to show now, in order of first appearance. */
  shown(now: number): readonly Bar[] {
    for (const [key, bar] of this.#bars) {
      const done = bar.state === "done" && now - bar.updated > LINGER_MS;
      const wiped = bar.wiped !== undefined && now - bar.wiped > WIPED_MS;
      if (done || wiped) this.#bars.delete(key);
    }
    return [...this.#bars.values()];
  }

  #take(source: string, reading: Reading, now: number, seq: number | undefined): void {
    const label = this.#labelOf(source, reading);
    const key = this.#keyOf(source, reading);
    const before = this.#bars.get(key);
    // Of a line seen once at 100 % there is nothing to watch; but it may finish one that is shown.
    if (before === undefined && reading.fraction === 1) return;
    const again = before === undefined || (before.fraction ?? 0) > (reading.fraction ?? 1) + 0.001;
    const started = again ? now : before.started;
    if (before === undefined) this.#dropPredecessors(source, label, key);
    const eta = reading.eta ?? guessedEta(reading.fraction, now - started);
    // A bar without a total is done when its line is complete.
    const done = reading.fraction === undefined ? seq !== undefined : reading.fraction === 1;
    const state = done ? "done" : "moving";
    this.#bars.set(key, { ...reading, label, eta, key, source, started, updated: now, seq, state });
    this.#current.set(source, key);
    if (this.#bars.size > MAX_BARS) this.#forgetOldest();
  }

  #labelOf(source: string, { nameless, label }: Reading): string {
    return nameless ? this.#named(source) : shortened(label, MAX_LABEL_CHARS);
  }

  #keyOf(source: string, reading: Reading): string {
    if (reading.isReported) return `${source} reported`;
    return `${source} ${this.#labelOf(source, reading)} ${reading.total ?? ""}`;
  }

  #wipe(source: string, now: number): void {
    const key = this.#current.get(source);
    if (key === undefined) return;
    this.#current.delete(source);
    const bar = this.#bars.get(key);
    if (bar !== undefined && bar.state === "moving") this.#bars.set(key, { ...bar, wiped: now });
  }

  /** A bar without a label takes the line before it, if that reads like a name (rsync, pip, Keras). */
  #named(source: string): string {
    const line = this.#context.get(source) ?? "";
    const url = /\b(?:https?|file):\/\/\S*\/([^\s/?#]+)/.exec(line)?.[1];
    if (url !== undefined) return shortened(url, MAX_LABEL_CHARS);
    return line.length <= 60 && !/[={}]|\.$|:\s*[-\d.]+$/.test(line) ? line : "";
  }

  /**
   * "batch 1" replaces "batch 0", which is done or was wiped unfinished. A replaced bar that moves again shows that such
   * bars run side by side ("worker 0", "worker 1"): from then on none of them is replaced.
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
      if (this.#replaced.size >= MAX_REPLACED) this.#replaced.clear();
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
