// What real programs wrote, as frames of the wire: test/fixtures/progress, made by tests/support/record_progress.py.
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { ProgressBars } from "../../src/log/overview/moving-bars.js";

export interface Recorded {
  readonly at: number;
  readonly source: "stdout" | "stderr";
  readonly progress?: string;
  readonly record?: string;
}

export const FOLDER = join(dirname(fileURLToPath(import.meta.url)), "..", "fixtures", "progress");

export function recorded(name: string): Recorded[] {
  const text = readFileSync(join(FOLDER, `${name}.ndjson`), "utf8");
  return text
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Recorded);
}

/** Gives frames to the bars as the log view does, up to a time. */
export function play(bars: ProgressBars, frames: readonly Recorded[], each: (now: number) => void = () => {}): void {
  let seq = 0;
  for (const { at, source, progress, record } of frames) {
    if (progress !== undefined) bars.rewrite(source, progress, at);
    else bars.record({ seq: ++seq, ts: at, level: "unknown", source, message: record ?? "" });
    each(at);
  }
}
