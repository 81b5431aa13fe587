// Web addresses in a line of text: where they begin and end. Only http and https; anything else is text. Pure; no DOM.

// Neither blanks nor quotes, nor any character (control, bidi, invisible) that would make it look like another address.
const ADDRESS = /https?:\/\/[^\s<>"'`\\{}|^\p{Cc}\p{Cf}]+/giu;
const MOST = 50;
/** Nobody follows a longer one; it stays text. */
const LONGEST = 2048;

export interface Link {
  readonly from: number;
  readonly to: number;
  readonly href: string;
}

/** In order, at most 50 of a line. */
export function linksIn(text: string): readonly Link[] {
  if (!text.includes("://")) return [];
  const found: Link[] = [];
  for (const match of text.matchAll(ADDRESS)) {
    const address = trimmed(match[0]);
    const href = hrefOf(address);
    if (href !== undefined) found.push({ from: match.index, to: match.index + address.length, href });
    if (found.length >= MOST) break;
  }
  return found;
}

/** Without what belongs to the sentence around it: a full stop, the bracket that was open before. One pass. */
function trimmed(address: string): string {
  const surplus = { ")": count(address, ")") - count(address, "("), "]": count(address, "]") - count(address, "[") };
  let end = address.length;
  for (; end > 0; end--) {
    const last = address[end - 1] ?? "";
    if (last === ")" || last === "]") {
      if (surplus[last] <= 0) break;
      surplus[last] -= 1;
    } else if (!".,;:!?*_~".includes(last)) break;
  }
  return address.slice(0, end);
}

function count(text: string, char: string): number {
  return text.split(char).length - 1;
}

function hrefOf(address: string): string | undefined {
  if (address.length > LONGEST || !URL.canParse(address)) return undefined;
  const url = new URL(address);
  return url.hostname !== "" && (url.protocol === "http:" || url.protocol === "https:") ? url.href : undefined;
}
