// The search and filter settings above a log, and the filters they result in. Page. Pure functions.

import type { Level, LogRecord, StreamFilter } from "../protocol/types.js";

/** Effect on matching lines: `find` highlights them, `only` hides the others, `around` adds context lines, `not` hides them. */
export const MODES = ["find", "only", "around", "not"] as const;
export type Mode = (typeof MODES)[number];

/** Context lines on either side of a match. */
const CONTEXT_LINES = 3;

export interface Search {
  readonly text: string;
  readonly mode: Mode;
  /** None: all of them. */
  readonly levels: readonly Level[];
  readonly source?: LogRecord["source"] | undefined;
  readonly step?: string | undefined;
}

export const EMPTY_SEARCH: Search = { text: "", mode: "find", levels: [] };

/** The filter of the rows to show. */
export function rowsFilter(search: Search): StreamFilter {
  const { text, mode } = search;
  if (text === "" || mode === "find") return baseFilter(search);
  return { ...baseFilter(search), ...(mode === "not" ? { not: text } : { q: text }) };
}

/** The filter of the hits among them; undefined: there are none to step through. */
export function hitsFilter(search: Search): StreamFilter | undefined {
  return search.text === "" || search.mode === "not" ? undefined : { ...baseFilter(search), q: search.text };
}

/** The filter for "Copy as Python". */
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
