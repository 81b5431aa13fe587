// Metrics in output lines: named numbers such as `loss=0.21`, `acc: 0.93`, `12.3it/s`. Page; pure, no DOM.
// A number whose name is ambiguous is left out. The kernel has the same rules (jupyter_logstream/text/metrics.py);
// tests/vectors/metrics.json tests both.

import { withoutColours } from "./text.js";

/** Characters of a line that are searched. Every pattern is linear in them: a line costs at most about 1 ms. */
const MAX_LINE_CHARS = 500;
const MAX_RAW_CHARS = 4 * MAX_LINE_CHARS; // with colours

const NUMBER = String.raw`[-+]?(?:\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d*)?(?:[eE][-+]?\d+)?|\.\d+(?:[eE][-+]?\d+)?)`;
// A number begins once, so that a row of thousands is not searched from each comma.
const START = String.raw`(?<![\w.])(?<!\d,)`;
// Excludes parts of dates, addresses, versions and fractions, and percentages of progress bars.
const END = String.raw`(?!\w|[.:/-]\d|%\s?[|(\[])`;
const UNIT = `(?<unit>(?:[kKMGT]i?)?B|[kMG]|ns|us|µs|ms|s|sec|min)?`;
const NAME = String.raw`[A-Za-z_](?:[\w.@/-]{0,99}\w)?`;
const WRAP = String.raw`(?:tensor\(|(?:np\.|numpy\.)?float\d*\()?`;
const THING = `(?<thing>it|step|img|image|sample|tok|token|example|ex|row|batch|item|doc|record|req|request|file|line|msg|epoch|frame|word|game|episode)(?:e?s)?`;
const WORDS = "loss|acc|accuracy|lr|ppl|perplexity|reward|score|f1|auc|mse|mae|rmse|iou|bleu";

const PAIR = new RegExp(
  String.raw`(?<![\w.@/=-])(?<q>["']?)(?<name>${NAME})\k<q>\s*(?<sep>[=:])(?<gap>\s*)["']?${WRAP}` +
    `(?<number>${NUMBER}|[-+]?(?:[nN][aA][nN]|[iI][nN][fF](?:[iI][nN][iI][tT][yY])?))${UNIT}${END}`,
  "g",
);
const WORD = new RegExp(String.raw`(?<![\w./-])(?<name>[\w/]{0,100}(?:${WORDS}))\s+(?<number>${NUMBER})${END}`, "g");
const COUNTER = /(?<![\w.-])(?<name>epoch|step|iter|iteration)\s*[[#]?\s*(?<number>\d+)(?![\w.])/gi;
const RATE = new RegExp(
  String.raw`${START}(?<number>${NUMBER})\s?(?:(?<scale>[kKMGT]i?)?(?<bytes>B)|(?<many>[kM])?\s?${THING})/s(?:ec)?\b`,
  "g",
);
const PACE = new RegExp(String.raw`${START}(?<number>${NUMBER})\s?(?<unit>ns|us|µs|ms|s|min)/${THING}\b`, "g");

const WORKER =
  /(?<![\w-])(?:(?<rank>(?:local_)?rank|worker)(?:["']?\s?[=:#]\s?|[ -]?)|(?<gpu>gpu)[=:# ]?)(?<number>\d{1,5})(?![\w.%])/i;

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

// Matches every line with a metric, so that other lines cost one test.
const HINT = /=|[A-Za-z_%@"']\s*:\s*\S|\/s|[a-zµ]\/[a-z]|(?:epoch|step|iter\w*)\s*[[#]?\s*\d|[a-z]\s+[-+.]?\d/i;

/**
 * The named numbers of a line by name, in their order; a repeated name has its last number. NaN stands for a number that
 * is not finite: a gap. Times are in seconds, sizes in bytes; `1.25s/it` becomes the rate `it/s`; a percentage keeps its
 * number. The number of a worker (`rank=3`) is none: see `worker`.
 */
export function numbers(line: string): ReadonlyMap<string, number> {
  const text = searched(line);
  if (!HINT.test(text)) return NONE;
  const found: { readonly start: number; readonly named: Found }[] = [];
  const claimed = new Uint8Array(text.length);
  const claim = (match: RegExpExecArray) => claimed.fill(1, match.index, match.index + match[0].length);
  const namedWorker = WORKER.exec(text);
  if (namedWorker !== null) claim(namedWorker);
  for (const [pattern, read] of READERS) {
    for (const match of text.matchAll(pattern)) {
      const [start, end] = [match.index, match.index + match[0].length];
      if (claimed.subarray(start, end).includes(1)) continue;
      const named = read(match.groups as Groups, text.charAt(end));
      if (named === undefined) continue;
      claim(match);
      found.push({ start, named });
    }
  }
  found.sort((a, b) => a.start - b.start);
  const last = new Map<string, number>();
  for (const { named } of found) last.set(named[0], named[1]);
  return last;
}

/** The worker that a line names, `rank 3` or `gpu 0`: `[rank3]: `, `rank=3`, `local_rank: 3`, `gpu:0`, `worker 3`. */
export function worker(line: string): string | undefined {
  const found = WORKER.exec(searched(line))?.groups;
  return found && `${(found["rank"] ?? found["gpu"] ?? "").toLowerCase()} ${Number(found["number"])}`;
}

function searched(line: string): string {
  return withoutColours(line.slice(0, MAX_RAW_CHARS)).slice(0, MAX_LINE_CHARS);
}

const NONE: ReadonlyMap<string, number> = new Map();

function value(text: string | undefined): number {
  return Number((text ?? "").replaceAll(",", ""));
}

/** The factor of a unit prefix: 1e6 for `M`, 1024 for `Ki`. */
function scale(unit: string): number {
  const power = unit === "" ? 0 : "kMGT".indexOf(unit.charAt(0).replace("K", "k")) + 1;
  return (unit.charAt(1) === "i" ? 1024 : 1000) ** power;
}

function pair({ name = "", number = "", unit = "", sep, gap, q }: Groups, after: string): Found | undefined {
  // localhost:8080 and app.py:12 are no metrics.
  if (sep === ":" && gap === "" && q === "" && !/[.eE%]/.test(number + after)) return undefined;
  if (NOT_MEASURED.has(name.toLowerCase().slice(name.lastIndexOf("/") + 1))) return undefined;
  if (/[a-z]$/i.test(number)) return [name, Number.NaN]; // nan, inf
  return [name, value(number) * (SECONDS[unit] ?? scale(unit.replace(/B$/, "")))];
}

function rate({ number, scale: prefix = "", bytes, many = "", thing }: Groups): Found {
  return bytes === undefined ? [`${thing}/s`, value(number) * scale(many)] : ["B/s", value(number) * scale(prefix)];
}

function pace({ number, unit = "", thing }: Groups): Found | undefined {
  const seconds = value(number) * (SECONDS[unit] ?? 0);
  return seconds > 0 ? [`${thing}/s`, 1 / seconds] : undefined;
}
