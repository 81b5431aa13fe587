// Number of errors in a log: a traceback counts as one, however many lines it has. Page; no DOM.
// The server counts lines by level, and every line of a traceback has the level `error`. Here the lines that continue the error
// before them are found among the records that the view has received; those that it never received count as lines.

import type { Level, LogRecord } from "../protocol/types.js";
import { thousands } from "../text/format.js";
import { withoutColours } from "../text/text.js";
import { begin, canContinue, follow } from "../text/tracebacks.js";

/** Continuing lines that are remembered; further ones count as errors of their own. */
const MAX_CONTINUING = 200_000;
/** Longer lines are judged by their beginning. */
const MAX_LINE_CHARS = 1000;

type State = NonNullable<ReturnType<typeof begin>>["state"];
/** Where each source is: in the lines of an error, in a traceback whose grammar is known, or in neither. */
type Sources = Map<string, { readonly isInError: boolean; readonly state: State | undefined }>;

export interface ErrorCount {
  /** Tracebacks, and error lines that belong to none. */
  readonly errors: number;
  /** Lines of level error and above. */
  readonly lines: number;
}

export class ErrorLines {
  readonly #continuing = new Set<number>();
  readonly #live: Sources = new Map();

  /** Takes live records, in order. */
  take(records: readonly LogRecord[]): void {
    for (const record of records) this.#add(record, this.#live);
  }

  /** Takes a fetched range of records, in order. */
  takeRange(records: readonly LogRecord[]): void {
    const sources: Sources = new Map();
    for (const record of records) this.#add(record, sources);
  }

  /** The number of errors, given the number of lines by level. */
  count(levels: ReadonlyMap<Level, number>): ErrorCount {
    const lines = (levels.get("error") ?? 0) + (levels.get("fatal") ?? 0);
    return { errors: Math.max(Math.min(1, lines), lines - this.#continuing.size), lines };
  }

  clear(): void {
    this.#continuing.clear();
    this.#live.clear();
  }

  #add({ seq, level, source, message }: LogRecord, sources: Sources): void {
    const before = sources.get(source);
    if (level !== "error" && level !== "fatal") {
      // An empty line can stand between two exceptions of a chain.
      const state = before?.state !== undefined && message === "" ? follow(before.state, "")?.state : undefined;
      if (state !== undefined) sources.set(source, { isInError: true, state });
      else if (before !== undefined) sources.delete(source);
      return;
    }
    const text = withoutColours(message.slice(0, MAX_LINE_CHARS));
    const following = before?.state === undefined ? undefined : follow(before.state, text);
    const continues = following !== undefined || (before?.isInError === true && isContinuation(text));
    if (continues && this.#continuing.size < MAX_CONTINUING) this.#continuing.add(seq);
    sources.set(source, { isInError: true, state: following?.state ?? begin(text)?.state });
  }
}

function isContinuation(text: string): boolean {
  return text.trim() !== "" && !text.includes("\n") && canContinue(text);
}

/** `1 error, 13 lines`; `2 errors` if each is one line. */
export function errorsInWords({ errors, lines }: ErrorCount): string {
  const words = `${thousands(errors)} error${errors === 1 ? "" : "s"}`;
  return lines > errors ? `${words}, ${thousands(lines)} lines` : words;
}
