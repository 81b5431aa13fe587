// Progress bars in unmodified output: one line's text to a reading, and readings to the bars that move now. Pure: no DOM,
// no clock of its own (times are given, in ms). A line is either clearly a bar or it is not: in doubt it stays text.
//
// Two sorts of lines. Those that draw a bar (tqdm, pip, rich, Keras, wget, cargo ...) are cut at the bar, and counts, rate
// and time are looked for beside it. Those that draw none (rsync, curl, git, apt ...) have a shape each: see SHAPES.

import { seconds, withoutColours } from "./text.js";

/** What one line says of a bar. `fraction` 0..1, absent where nobody knows the total; `eta` in seconds. */
export interface Reading {
  readonly label: string;
  readonly fraction?: number | undefined;
  readonly done?: string | undefined;
  readonly total?: string | undefined;
  /** As written, such as `49.5img/s`. */
  readonly rate?: string | undefined;
  readonly eta?: number | undefined;
  /** The line doesn't name it: the line before may. */
  readonly nameless?: boolean;
}

/** Longer lines are no bars: a terminal is not that wide. */
const LONGEST = 600;

/** What any bar has somewhere; so that ordinary lines cost one look. */
const HINT = /\d ?%|[━╸╺]{8}|\d\/\d|\S\/s|s\/\S|\d of \d|^ *\d+ +\d[\d.]*[kMGT]? +\d+ /;

const NUMBER = String.raw`[\d,.]+`;
const SIZE = String.raw`${NUMBER}\s?(?:[kKMGTP]i?)?B?`;
const TIME = String.raw`(?:\d+ days?, )?\d+:\d\d(?::\d\d)?`;

const BAR =
  /[━╸╺]{8,}|(?<=%)\|[^|]*\||\|[█▉▊▋▌▍▎▏#=>.*-][█▉▊▋▌▍▎▏#=>.*\s-]*\||\|\s{5,}\||\[[=#>.*█░▒▓\s-]{3,}\](?=\s*\d)|\[[=#>.*█░▒▓-][=#>.*█░▒▓\s-]{2,}\]/;
const PERCENT = /(?<![\d.])(\d{1,3}(?:\.\d+)?)\s?%/;
const COUNT = new RegExp(String.raw`(?<![\w./=])(${SIZE})\s?(?:/|of)\s?(${SIZE})(?![\w/])`);
const RATE = /[\d.,]+\s?[A-Za-zµ]+\/s(?:ec)?\b|[\d.,]+\s?(?:ns|us|µs|ms|s|min)\/[A-Za-z]+/;
const LEFT = new RegExp(String.raw`<(${TIME})|\beta:?\s+(${TIME}|(?:\d+[dhms]\s?)+)`, "i");
const LAST_TIME = new RegExp(String.raw`(?:^|\s)(${TIME}|\d+s)(?=\s|$)(?!.*\s${TIME})`);

/** `rewritten`: believed only of a line that is being rewritten; `unit`: what its rates lack. */
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

/** What a line says of a bar, or nothing. `rewritten`: the line is being written over, which ordinary lines are not. */
export function readBar(line: string, rewritten = false): Reading | undefined {
  if (line.length > LONGEST || !HINT.test(line)) return undefined;
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
  // Lightning counts epochs before the bar and steps behind it: what stands before is a name, then.
  const label = clean(before.replace(PERCENT, "").replace(COUNT.test(after) ? "" : COUNT, ""));
  const eta = fraction === 1 ? 0 : left(after);
  return { label, fraction, done, total, rate: RATE.exec(after)?.[0], eta, nameless: label === "" };
}

/** Seconds to go: said as such, or the last time beside the bar. */
function left(after: string): number | undefined {
  if (after.includes("-:--:--")) return undefined;
  const said = LEFT.exec(after);
  return seconds(said?.[1] ?? said?.[2] ?? LAST_TIME.exec(after)?.[1]);
}

function readShape(text: string, rewritten: boolean): Reading | undefined {
  for (const shape of SHAPES) {
    if (shape.rewritten && !rewritten) continue;
    const found = shape.like.exec(text)?.groups;
    const reading = found === undefined ? undefined : said(shape, found);
    if (reading !== undefined) return reading;
  }
  return undefined;
}

function said(shape: Shape, { label, pct, done, total, rate, eta }: { [name: string]: string }): Reading | undefined {
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

/** `1.5M` in units; also `1,234`. NaN where it is no size. */
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
