// URL detection: the http and https addresses in a line of text. Page; pure, no DOM.

// Excludes white space, quotes, and characters (control, bidi, invisible) that would disguise the address.
const ADDRESS = /https?:\/\/[^\s<>"'`\\{}|^\p{Cc}\p{Cf}]+/giu;
const MAX_LINKS = 50;
/** Longer addresses stay text. */
const MAX_URL_CHARS = 2048;

export interface Link {
  readonly from: number;
  readonly to: number;
  readonly href: string;
}

/** The links of a line, in order; at most MAX_LINKS. */
export function linksIn(text: string): readonly Link[] {
  if (!text.includes("://")) return [];
  const found: Link[] = [];
  for (const match of text.matchAll(ADDRESS)) {
    const address = trimmed(match[0]);
    const href = hrefOf(address);
    if (href !== undefined) found.push({ from: match.index, to: match.index + address.length, href });
    if (found.length >= MAX_LINKS) break;
  }
  return found;
}

/** The address without punctuation of the sentence around it: a full stop, an unmatched closing bracket. One pass. */
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
  if (address.length > MAX_URL_CHARS || !URL.canParse(address)) return undefined;
  const url = new URL(address);
  return url.hostname !== "" && (url.protocol === "http:" || url.protocol === "https:") ? url.href : undefined;
}
