// Progress bar parser: the label, fraction, counts, rate and ETA in one line of plain output. Page; pure, no DOM.
//
// Lines that draw a bar (tqdm, pip, rich, Keras, wget, cargo ...) are split at the bar; counts, rate and time are searched
// beside it. Lines without a drawn bar (rsync, curl, git, apt ...) have one pattern each: see SHAPES. Ambiguous lines are
// no bars.

import { progressOf, seconds, withoutColours } from "./text.js";

/** One reading of a bar. `fraction`: 0 to 1, absent if the total is unknown; `eta`: in seconds. */
export interface Reading {
  readonly label: string;
  readonly fraction?: number | undefined;
  readonly done?: string | undefined;
  readonly total?: string | undefined;
  /** As written, such as `49.5img/s`. */
  readonly rate?: string | undefined;
  readonly eta?: number | undefined;
  /** The line has no label; the line before can be one. */
  readonly nameless?: boolean;
  /** The program reports one progress to its terminal (OSC 9;4); the label is what it writes meanwhile. */
  readonly isReported?: boolean;
}

/** Longer lines are no bars: no terminal is that wide. Every pattern is linear in them, or nearly so. */
const MAX_LINE_CHARS = 500;

/** Matches every bar, so that other lines cost one test. */
const HINT = /\d ?%|[━╸╺]{8}|\d\/\d|\S\/s|s\/\S|\d of \d|^ *\d+ +\d[\d.]*[kMGT]? +\d+ /;

const NUMBER = String.raw`[\d,.]+`;
const SIZE = String.raw`${NUMBER}\s?(?:[kKMGTP]i?)?B?`;
const TIME = String.raw`(?:\d+ days?, )?\d+:\d\d(?::\d\d)?`;

const BAR =
  /[━╸╺]{8,}|(?<=%)\|[^|]*\||\|[█▉▊▋▌▍▎▏#=>.*-][█▉▊▋▌▍▎▏#=>.*\s-]*\||\|\s{5,}\||\[[=#>.*█░▒▓\s-]{3,}\](?=\s*\d)|\[[=#>.*█░▒▓-][=#>.*█░▒▓\s-]{2,}\]/;
const PERCENT = /(?<![\d.])(\d{1,3}(?:\.\d+)?)\s?%/;
const COUNT = new RegExp(String.raw`(?<![\w.,/=])(${SIZE})\s?(?:/|of)\s?(${SIZE})(?![\w/])`);
const RATE = /[\d.,]+\s?[A-Za-zµ]+\/s(?:ec)?\b|[\d.,]+\s?(?:ns|us|µs|ms|s|min)\/[A-Za-z]+/;
const LEFT = new RegExp(String.raw`<(${TIME})|\beta:?\s+(${TIME}|(?:\d+[dhms]\s?)+)`, "i");
const LAST_TIME = new RegExp(String.raw`(?:^|\s)(${TIME}|\d+s)(?=\s|$)(?!.*\s${TIME})`);

/** `rewritten`: valid only for a line that is being rewritten; `unit`: appended to its rates. */
interface Shape {
  readonly like: RegExp;
  readonly label?: string;
  readonly unit?: string;
  readonly rewritten?: boolean;
}

/** Lines without a drawn bar. */
const SHAPES: readonly Shape[] = [
  // tqdm, which doesn't know how many there are
  { like: /^(?:(?<label>.*?):\s+)?(?<done>[\d.]+[kMGTP]?)[A-Za-z]+\s\[[\d:]+,\s*(?<rate>[^,\]]*\/[^,\]]+)[^\]]*\]$/ },
  // rsync
  {
    like: /^\s*(?<done>[\d,.]+[KMGT]?)\s+(?<pct>\d+)%\s+(?<rate>[\d.]+[kKMG]?B\/s)\s+(?<eta>\d+:\d\d:\d\d)(?:\s+\(.*\))?\s*$/,
  },
  // curl's table: percent, total, %, received, %, sent, speed down, up, time in all, spent, left, speed now
  {
    like: /^\s*(?<pct>\d+)\s+(?<total>[\d.]+[kMGT]?)\s+\d+\s+(?<done>[\d.]+[kMGT]?)\s+\d+\s+\S+\s+\S+\s+\S+\s+[-:\d]+\s+[-:\d]+\s+(?<eta>[-:\d]+)\s+(?<rate>[\d.]+[kMGT]?)\s*$/,
    label: "curl",
    unit: "B/s",
  },
  // curl -#
  { like: /^[#=]+\s+(?<pct>\d+\.\d)%\s*$/, label: "curl" },
  // git
  {
    like: /^(?<label>(?:remote: )?[A-Z][a-z]+ [a-z ]*[a-z]):\s+(?<pct>\d+)% \((?<done>\d+)\/(?<total>\d+)\)(?:, .*\| (?<rate>[\d.]+ \w+\/s))?/,
  },
  // apt
  { like: /^(?<pct>\d+)% \[[^\]]*\](?:\s+(?<rate>[\d.,]+ ?[kMG]?B\/s)\s+(?<eta>[\ddhms ]+))?\s*$/, label: "apt" },
  // wget without a terminal: fifty dots a line
  {
    like: /^\s*(?<done>\d+K)(?:[\s,.]+)\s(?<pct>\d+)%\s+(?<rate>[\d.]+[KMG]?)(?:[\s=](?<eta>\S+))?$/,
    label: "wget",
    unit: "B/s",
  },
  { like: /^(?<label>.*?)[\s:([]*(?<![\d.])(?<pct>\d{1,3}(?:\.\d+)?)\s?%/, rewritten: true },
  { like: /^(?<label>.*?)[\s:([]*(?<![\w./=])(?<done>\d+)\s?(?:\/|of)\s?(?<total>\d+)(?![\w/])/, rewritten: true },
];

/** The progress that a program reports by OSC 9;4 with a line; undefined without one. */
export function readReported(message: string): Reading | undefined {
  const percent = progressOf(message);
  if (percent === undefined) return undefined;
  return { label: clean(withoutColours(message.slice(0, MAX_LINE_CHARS))), fraction: percent / 100, isReported: true };
}

/** The reading of a line; undefined if it is no bar. `rewritten`: the line is being overwritten. */
export function readBar(line: string, rewritten = false): Reading | undefined {
  if (line.length > MAX_LINE_CHARS || !HINT.test(line)) return undefined;
  const text = withoutColours(line).trimEnd();
  return readDrawn(text) ?? readShape(text, rewritten);
}

function readDrawn(text: string): Reading | undefined {
  const bar = BAR.exec(text);
  if (bar === null) return undefined;
  const before = text.slice(0, bar.index);
  const after = text.slice(bar.index + bar[0].length);
  const pct = PERCENT.exec(before) ?? PERCENT.exec(after);
  const count = COUNT.exec(after) ?? COUNT.exec(before);
  if (pct === null && count === null) return undefined;
  const [done, total] = [count?.[1]?.trim(), count?.[2]?.trim()];
  const fraction = pct === null ? share(done, total) : share(pct[1], "100");
  if (fraction === undefined) return undefined;
  // Lightning counts epochs before the bar and steps behind it: the text before is a label then.
  const label = clean(before.replace(PERCENT, "").replace(COUNT.test(after) ? "" : COUNT, ""));
  const eta = fraction === 1 ? 0 : left(after);
  return { label, fraction, done, total, rate: RATE.exec(after)?.[0], eta, nameless: label === "" };
}

/** The remaining seconds: a stated ETA, or the last time beside the bar. */
function left(after: string): number | undefined {
  if (after.includes("-:--:--")) return undefined;
  const stated = LEFT.exec(after);
  return seconds(stated?.[1] ?? stated?.[2] ?? LAST_TIME.exec(after)?.[1]);
}

function readShape(text: string, rewritten: boolean): Reading | undefined {
  for (const shape of SHAPES) {
    if (shape.rewritten && !rewritten) continue;
    const found = shape.like.exec(text)?.groups;
    const reading = found === undefined ? undefined : readingOf(shape, found);
    if (reading !== undefined) return reading;
  }
  return undefined;
}

function readingOf(
  shape: Shape,
  { label, pct, done, total, rate, eta }: { [name: string]: string },
): Reading | undefined {
  const fraction = pct === undefined ? share(done, total) : share(pct, "100");
  if (fraction === undefined && rate === undefined) return undefined;
  const name = shape.label ?? clean(label ?? "");
  const known = total !== undefined && size(total) > 0 ? { done, total } : { done };
  const speed = rate === undefined ? undefined : rate.trim() + (shape.unit ?? "");
  return {
    ...{ label: name, fraction, ...known, rate: speed },
    ...{ eta: fraction === 1 ? 0 : seconds(eta), nameless: name === "" },
  };
}

function clean(label: string): string {
  return label.replace(/\s+/g, " ").replace(/[\s:|[()-]+$|^[\s|>*-]+/g, "");
}

const POWERS = "kMGTP";

/** A size as a number: `1.5M`, `1,234`; NaN for other text. */
export function size(text: string): number {
  const found = /^([\d.,]+)\s?([kKMGTP]?)(i?)/.exec(text);
  if (found === null) return Number.NaN;
  const power = POWERS.indexOf((found[2] ?? "").replace("K", "k")) + 1;
  return Number((found[1] ?? "").replaceAll(",", "")) * (found[3] ? 1024 : 1000) ** (found[2] ? power : 0);
}

function share(done: string | undefined, total: string | undefined): number | undefined {
  if (done === undefined || total === undefined) return undefined;
  // `1.2/19.5 MB`: the unit belongs to both.
  const unit = /[A-Za-z]+$/.exec(total)?.[0] ?? "";
  const whole = size(total);
  const part = size(/[A-Za-z]/.test(done) ? done : `${done}${unit}`);
  if (!(whole > 0) || !(part >= 0) || part > whole * 1.001) return undefined;
  return Math.min(1, part / whole);
}
