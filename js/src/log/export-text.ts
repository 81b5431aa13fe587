// Export of lines as text, fetched page by page and bounded. Page. No DOM.

import type { LogSource } from "../protocol/log-source.js";
import type { StreamFilter } from "../protocol/types.js";
import { withoutSequences } from "../text/ansi.js";

/** Records of one request. */
const PAGE_RECORDS = 5000;
/** Exported characters; beyond, the text is truncated. Fits a clipboard. */
export const MAX_EXPORT_CHARS = 50_000_000;

export interface ExportedLines {
  readonly text: string;
  readonly lines: number;
  /** Did the lines exceed MAX_EXPORT_CHARS? */
  readonly truncated: boolean;
}

/** The matching lines from seq `from` to seq `to`, each with a line end, as written but without colour sequences. */
export async function exportLines(
  source: LogSource,
  filter: StreamFilter,
  from: number,
  to: number,
  signal: AbortSignal,
): Promise<ExportedLines> {
  const pieces: string[] = [];
  let [chars, lines] = [0, 0];
  for (let after = from - 1; after < to; ) {
    const { records, next } = await source.page(
      { ...filter, after, limit: Math.min(PAGE_RECORDS, to - after) },
      signal,
    );
    for (const record of records) {
      if (record.seq > to) return { text: pieces.join(""), lines, truncated: false };
      const text = `${withoutSequences(record.message)}${record.part ? "" : "\n"}`;
      chars += text.length;
      if (chars > MAX_EXPORT_CHARS) return { text: pieces.join(""), lines, truncated: true };
      pieces.push(text);
      lines += 1;
    }
    after = records.at(-1)?.seq ?? to;
    if (next === null) break;
  }
  return { text: pieces.join(""), lines, truncated: false };
}
