// What the user has typed and chosen above a log, and what that asks of it. Values and pure functions; no DOM.

import type { Level, LogRecord, StreamFilter } from "../protocol/types.js";

/** What becomes of the lines that hold the text: marked among all others, shown alone, left out, shown with neighbours. */
export const MODES = ["find", "only", "around", "not"] as const;
export type Mode = (typeof MODES)[number];

/** Neighbours of a match on either side. */
export const CONTEXT_LINES = 3;

export interface Search {
  readonly text: string;
  readonly mode: Mode;
  /** None: all of them. */
  readonly levels: readonly Level[];
  readonly source?: LogRecord["source"] | undefined;
  readonly step?: string | undefined;
}

export const EMPTY_SEARCH: Search = { text: "", mode: "find", levels: [] };

/** The lines to show. */
export function rowsFilter(search: Search): StreamFilter {
  const { text, mode } = search;
  if (text === "" || mode === "find") return baseFilter(search);
  return { ...baseFilter(search), ...(mode === "not" ? { not: text } : { q: text }) };
}

/** The lines that are hits among those; undefined: there is nothing to step through. */
export function hitsFilter(search: Search): StreamFilter | undefined {
  return search.text === "" || search.mode === "not" ? undefined : { ...baseFilter(search), q: search.text };
}

/** The same lines for a program. */
export function codeFilter(search: Search): StreamFilter {
  return hitsFilter(search) ?? rowsFilter(search);
}

export function contextLines({ text, mode }: Search): number | undefined {
  return text !== "" && mode === "around" ? CONTEXT_LINES : undefined;
}

function baseFilter({ levels, source, step }: Search): StreamFilter {
  return {
    ...(levels.length === 0 ? {} : { levels }),
    ...(source === undefined ? {} : { source }),
    ...(step === undefined ? {} : { step }),
  };
}

export function isSameFilter(a: StreamFilter, b: StreamFilter): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
