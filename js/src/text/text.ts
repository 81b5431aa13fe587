// Helpers for one line of log text, shared by the parsers. Page; pure, no DOM.
// biome-ignore-all lint/suspicious/noControlCharactersInRegex: control sequences begin with one

const STYLING = /\x1b(?:\[[0-9;:]*m|\][89];[^\x07\x1b]*(?:\x1b\\)?)/g;

/** The text without the control sequences that a record keeps: SGR (colours), OSC 8 (links), OSC 9;4 (progress). */
export function withoutColours(text: string): string {
  return text.includes("\x1b") ? text.replace(STYLING, "") : text;
}

const PROGRESS = /^\x1b\]9;4;1;(\d{1,3})(?:\x07|\x1b\\)/;

/** The percentage of the progress bar (OSC 9;4) that a record begins with; undefined without one. */
export function progressOf(message: string): number | undefined {
  const percent = PROGRESS.exec(message)?.[1];
  return percent === undefined || Number(percent) > 100 ? undefined : Number(percent);
}

/** A duration such as `1:02:03`, `2:05`, `1m 20s`, `1 day, 0:00:01` in seconds; undefined for other text. */
export function seconds(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const days = /^(\d+) days?, /.exec(text);
  const rest = days === null ? text.trim() : text.slice(days[0].length);
  const before = Number(days?.[1] ?? 0) * 86_400;
  if (/^\d+(?::\d\d){1,2}$/.test(rest))
    return before + rest.split(":").reduce((sum, part) => sum * 60 + Number(part), 0);
  const parts = [...rest.matchAll(/(\d+)\s?([dhms])/g)];
  if (parts.length === 0) return undefined;
  const worth = { d: 86_400, h: 3600, m: 60, s: 1 };
  return parts.reduce((sum, [, n, unit]) => sum + Number(n) * worth[unit as keyof typeof worth], before);
}

/** The text truncated to `most` UTF-16 units with an ellipsis; never splits a surrogate pair. */
export function shortened(text: string, most: number): string {
  if (text.length <= most) return text;
  const cut = text.slice(0, most - 1);
  return `${/[\ud800-\udbff]$/.test(cut) ? cut.slice(0, -1) : cut}…`;
}
