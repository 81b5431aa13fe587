// Numbers that a line of output names: `loss=0.21`, `acc: 0.93`, `12.3it/s`. Pure; in doubt a number has no name.
// The kernel does the same (jupyter_logstream/text/metrics.py); one table of cases tests both (tests/vectors/metrics.json).

import { withoutColours } from "./text.js";

/** Characters of a line that are looked at. */
const LONGEST = 4000;

const NUMBER = String.raw`[-+]?(?:\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d*)?(?:[eE][-+]?\d+)?|\.\d+(?:[eE][-+]?\d+)?)`;
// Not inside of a date, an address, a version or a fraction; and no progress bar's percentage.
const END = String.raw`(?!\w|[.:/-]\d|%\s?[|(\[])`;
const UNIT = `(?<unit>(?:[kKMGT]i?)?B|[kMG]|ns|us|µs|ms|s|sec|min)?`;
const NAME = String.raw`[A-Za-z_](?:[\w.@/-]*\w)?`;
const WRAP = String.raw`(?:tensor\(|(?:np\.|numpy\.)?float\d*\()?`;
const THING = `(?<thing>it|step|img|image|sample|tok|token|example|ex|row|batch|item|doc|record|req|request|file|line|msg|epoch|frame|word|game|episode)(?:e?s)?`;
const WORDS = "loss|acc|accuracy|lr|ppl|perplexity|reward|score|f1|auc|mse|mae|rmse|iou|bleu";

const PAIR = new RegExp(
  String.raw`(?<![\w.@/=-])(?<q>["']?)(?<name>${NAME})\k<q>\s*(?<sep>[=:])(?<gap>\s*)["']?${WRAP}` +
    `(?<number>${NUMBER}|[nN][aA][nN])${UNIT}${END}`,
  "g",
);
const WORD = new RegExp(String.raw`(?<![\w.-])(?<name>[\w/]*(?:${WORDS}))\s+(?<number>${NUMBER})${END}`, "g");
const COUNTER = /(?<![\w.-])(?<name>epoch|step|iter|iteration)\s*[[#]?\s*(?<number>\d+)(?![\w.])/gi;
const RATE = new RegExp(
  String.raw`(?<![\w.])(?<number>${NUMBER})\s?(?:(?<scale>[kKMGT]i?)?(?<bytes>B)|(?<many>[kM])?\s?${THING})/s(?:ec)?\b`,
  "g",
);
const PACE = new RegExp(String.raw`(?<![\w.])(?<number>${NUMBER})\s?(?<unit>ns|us|µs|ms|s|min)/${THING}\b`, "g");

const NOT_MEASURED = new Set(
  "port pid ppid tid line id rank local_rank world_size seed year version v code status uid gid exit col lineno".split(
    " ",
  ),
);
const SECONDS: { readonly [unit: string]: number } = {
  ns: 1e-9,
  us: 1e-6,
  µs: 1e-6,
  ms: 1e-3,
  s: 1,
  sec: 1,
  min: 60,
};

type Found = readonly [name: string, number: number];
interface Groups {
  readonly [group: string]: string | undefined;
}

const READERS: readonly (readonly [RegExp, (groups: Groups, after: string) => Found | undefined])[] = [
  [PACE, pace],
  [RATE, rate],
  [PAIR, pair],
  [WORD, ({ name, number }) => [name ?? "", value(number)]],
  [COUNTER, ({ name, number }) => [(name ?? "").toLowerCase(), value(number)]],
];

// What any line that names a number has somewhere, so that others cost one look. A clock time is none.
const HINT = /=|[A-Za-z_%@"']\s*:\s*\S|\/s|[a-zµ]\/[a-z]|(?:epoch|step|iter\w*)\s*[[#]?\s*\d|[a-z]\s+[-+.]?\d/i;

/**
 * The numbers that a line names, by name, in its order; of one named twice the last. NaN is kept.
 * Times are in seconds, sizes in bytes, paces (`1.25s/it`) are rates (`it/s`); a percentage stays as it is written.
 */
export function numbers(line: string): ReadonlyMap<string, number> {
  const text = withoutColours(line.length > LONGEST ? line.slice(0, LONGEST) : line);
  if (!HINT.test(text)) return NONE;
  const found: { readonly start: number; readonly end: number; readonly named: Found }[] = [];
  for (const [pattern, read] of READERS) {
    for (const match of text.matchAll(pattern)) {
      const start = match.index;
      const end = start + match[0].length;
      if (found.some((other) => start < other.end && other.start < end)) continue;
      const named = read(match.groups as Groups, text.charAt(end));
      if (named !== undefined) found.push({ start, end, named });
    }
  }
  found.sort((a, b) => a.start - b.start);
  const last = new Map<string, number>();
  for (const { named } of found) last.set(named[0], named[1]);
  return last;
}

const NONE: ReadonlyMap<string, number> = new Map();

function value(text: string | undefined): number {
  return Number((text ?? "").replaceAll(",", ""));
}

/** What a prefix multiplies by: 1e6 for `M`, 1024 for `Ki`. */
function scale(unit: string): number {
  const power = unit === "" ? 0 : "kMGT".indexOf(unit.charAt(0).replace("K", "k")) + 1;
  return (unit.charAt(1) === "i" ? 1024 : 1000) ** power;
}

function pair({ name = "", number = "", unit = "", sep, gap, q }: Groups, after: string): Found | undefined {
  // localhost:8080, app.py:12: a colon alone does not make a number a measure.
  if (sep === ":" && gap === "" && q === "" && !/[.eE%]/.test(number + after)) return undefined;
  if (NOT_MEASURED.has(name.toLowerCase().slice(name.lastIndexOf("/") + 1))) return undefined;
  if (number.toLowerCase() === "nan") return [name, Number.NaN];
  return [name, value(number) * (SECONDS[unit] ?? scale(unit.replace(/B$/, "")))];
}

function rate({ number, scale: prefix = "", bytes, many = "", thing }: Groups): Found {
  return bytes === undefined ? [`${thing}/s`, value(number) * scale(many)] : ["B/s", value(number) * scale(prefix)];
}

function pace({ number, unit = "", thing }: Groups): Found | undefined {
  const seconds = value(number) * (SECONDS[unit] ?? 0);
  return seconds > 0 ? [`${thing}/s`, 1 / seconds] : undefined;
}
