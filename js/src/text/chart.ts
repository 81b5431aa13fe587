// Chart arithmetic: round ticks, short numbers, SVG paths. Page; pure, no DOM.

/** Maps a number to px. */
export type Scale = (value: number) => number;

/** Up to `count` + 1 round numbers from `min` to `max`, in steps of 1, 2 or 5 times a power of ten. */
export function ticks(min: number, max: number, count: number): readonly number[] {
  const span = max - min;
  if (!(span > 0) || !Number.isFinite(span)) return [min];
  const raw = span / Math.max(1, count);
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = power * ([1, 2, 5, 10].find((n) => n * power >= raw) ?? 10);
  const found: number[] = [];
  for (let i = Math.ceil(min / step - 1e-9); i * step <= max + step * 1e-9; i++) found.push(i === 0 ? 0 : i * step);
  return found;
}

/** A number in at most four digits: `0.214`, `12.3k`, `1.2e-5`. */
export function shortNumber(value: number): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "nan" : value > 0 ? "∞" : "-∞";
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e15)) return trimmed(value.toExponential(2)).replace("e+", "e");
  const power = size >= 1e4 ? Math.min(4, Math.floor(Math.log10(size) / 3)) : 0;
  return trimmed((value / 1000 ** power).toPrecision(4)) + ["", "k", "M", "G", "T"][power];
}

function trimmed(text: string): string {
  return text.includes(".") ? text.replace(/\.?0+(?=e|$)/, "") : text;
}

/** Linear scale from `from`..`to` to px `a`..`b`; an empty range maps to the middle. */
export function linear(from: number, to: number, a: number, b: number): Scale {
  return to > from ? (value) => a + ((value - from) / (to - from)) * (b - a) : () => (a + b) / 2;
}

/** Logarithmic scale; for positive numbers only. */
export function logarithmic(from: number, to: number, a: number, b: number): Scale {
  const scale = linear(Math.log(from), Math.log(to), a, b);
  return (value) => scale(Math.log(value));
}

const px = (value: number) => String(Math.round(value * 10) / 10);

/** SVG path through the means; interrupted by gaps. A point between two gaps is a dot (with round line caps). */
export function meanPath(points: readonly Point[], x: Scale, y: Scale): string {
  return runs(points)
    .map((run) => run.map(({ seq, mean }, i) => `${i === 0 ? "M" : "L"}${px(x(seq))} ${px(y(mean))}`).join(""))
    .map((path) => (path.includes("L") ? path : `${path}h0`))
    .join("");
}

/** SVG path of the areas between minimum and maximum; interrupted by gaps. */
export function bandPath(points: readonly Point[], x: Scale, y: Scale): string {
  return runs(points)
    .map((run) => {
      const upper = run.map(({ seq, max }, i) => `${i === 0 ? "M" : "L"}${px(x(seq))} ${px(y(max))}`);
      const lower = [...run].reverse().map(({ seq, min }) => `L${px(x(seq))} ${px(y(min))}`);
      return `${upper.join("")}${lower.join("")}Z`;
    })
    .join("");
}

/** The points between gaps. */
function runs(points: readonly Point[]): readonly (readonly Point[])[] {
  const found: Point[][] = [];
  for (const point of points) {
    if (found.length === 0 || point.isBehindGap) found.push([point]);
    else found.at(-1)?.push(point);
  }
  return found;
}

/** Minimum and maximum over all points. */
export function extremes(points: readonly Point[]): readonly [min: number, max: number] {
  let [min, max] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const point of points) [min, max] = [Math.min(min, point.min), Math.max(max, point.max)];
  return [min, max];
}

/** Index of the point nearest to a line number; points are in order. */
export function nearest(points: readonly Point[], seq: number): number {
  let [low, high] = [0, points.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (((points[middle] as Point).seq + (points[middle + 1] as Point).seq) / 2 < seq) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The numbers of neighbouring lines: mean and extremes. */
export interface Point {
  /** The first line, and its time in ms. */
  readonly seq: number;
  readonly ts: number;
  readonly mean: number;
  readonly min: number;
  readonly max: number;
  /** Number of lines. */
  readonly n: number;
  /** A number that is not finite came before it. */
  readonly isBehindGap?: boolean;
}
