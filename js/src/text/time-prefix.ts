// Time prefix of a line: the timestamp that programs write before a message. Page; pure, no DOM.
// The kernel has the same rule (jupyter_logstream/text/time_prefix.py); tests/vectors/time_prefixes.json tests both.

const CLOCK = String.raw`\d\d:\d\d:\d\d(?:[.,]\d+)?`;
const DATE = String.raw`\d{4}[-/]\d\d[-/]\d\d`;
const MOMENT = String.raw`(?:${DATE}|\d\d/\d\d/\d\d)[T ]${CLOCK}|${DATE}|[A-Z][a-z][a-z] [ \d]\d ${CLOCK}|${CLOCK}|\d{1,2}:\d\d[AP]M`;
const TIME = new RegExp(
  String.raw`^[ \t]*[[(]?(?:${MOMENT})(?:Z| ?[+-]\d\d:?\d\d| UTC)?(?:[\])][ \t]*|[ \t]+|$)(?:[-|][ \t]+)?`,
);

/** The line without its time prefix and the separator behind that; unchanged if it has none. */
export function withoutTime(line: string): string {
  return line.replace(TIME, "");
}
