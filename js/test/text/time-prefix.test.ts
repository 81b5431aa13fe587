// Time prefixes; Python passes the same table (tests/vectors/time_prefixes.json).
import { expect, it } from "vitest";
import { withoutTime } from "../../src/text/time-prefix.js";
import { vectors } from "../support/vectors.js";

it.each(vectors<{ cases: [line: string, rest: string][] }>("time_prefixes").cases)(
  "%j without its time is %j",
  (line, rest) => expect(withoutTime(line)).toBe(rest),
);
