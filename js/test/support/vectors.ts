// Test vectors that Python and the page share (tests/vectors).
import { readFileSync } from "node:fs";

/** The table of `tests/vectors/NAME.json`; the caller names its type. */
export function vectors<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(`../../../tests/vectors/${name}.json`, import.meta.url), "utf8")) as T;
}
