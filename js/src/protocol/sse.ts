// Decoder of server-sent events: bytes in, events out (WHATWG HTML, "Interpreting an event stream"). Page and shared worker.
// A chunk is decoded whole and searched with indexOf, never by character; an unfinished line is held as flat fragments and
// joined once: linear time for one-byte chunks and for lines of 10 MB. No I/O, no timers.

export interface Event {
  readonly type: string;
  readonly data: string;
  /** The last event id at dispatch, "" if there was none. */
  readonly id: string;
}

/** Bound of a decoder in UTF-16 code units, for each line and for all data lines of an event together. */
export const MAX_EVENT_CHARS = 16 * 1024 * 1024;

/** A line or an event is larger than MAX_EVENT_CHARS; nothing behind it can be decoded. */
export class EventTooLarge extends Error {
  constructor() {
    super("The server sent an event of more than 16 MiB");
  }
}

/** Fragments of one line. Small ones are joined in runs, so that there is neither a rope nor an array entry per byte. */
class Fragments {
  #small: string[] = [];
  #large: string[] = [];
  #chars = 0;

  push(text: string): void {
    if (text === "") return;
    this.#chars += text.length;
    if (this.#chars > MAX_EVENT_CHARS) throw new EventTooLarge();
    this.#small.push(text);
    if (this.#small.length === 4096) this.#compact();
  }

  take(last: string): string {
    if (this.#small.length === 0 && this.#large.length === 0) return last;
    this.#small.push(last);
    this.#compact();
    const line = this.#large.join("");
    this.#large = [];
    this.#chars = 0;
    return line;
  }

  #compact(): void {
    this.#large.push(this.#small.join(""));
    this.#small = [];
  }
}

function indexOrEnd(text: string, what: string, from: number): number {
  const found = text.indexOf(what, from);
  return found === -1 ? text.length : found;
}

/** Holds one unfinished line and the data of one event; beyond MAX_EVENT_CHARS `feed` throws, and it is of no more use. */
export class Decoder {
  /** The value of Last-Event-ID for a reconnect. */
  lastEventId = "";
  /** The reconnection time in ms that the server sent. */
  retry: number | undefined = undefined;

  // Holds back a character split by a chunk border; drops one leading BOM.
  #utf8 = new TextDecoder("utf-8");
  #line = new Fragments();
  #sawCR = false;
  #id = "";
  #type = "";
  #data: string[] = [];
  #dataChars = 0;

  feed(bytes: Uint8Array): Event[] {
    const events: Event[] = [];
    const text = this.#utf8.decode(bytes, { stream: true });
    if (text === "") return events;
    let from = this.#sawCR && text.startsWith("\n") ? 1 : 0;
    this.#sawCR = false;
    let lf = indexOrEnd(text, "\n", from);
    let cr = indexOrEnd(text, "\r", from);
    for (let end = Math.min(lf, cr); end < text.length; end = Math.min(lf, cr)) {
      this.#endLine(this.#line.take(text.slice(from, end)), events);
      from = end + 1;
      if (end === cr) {
        // The CR ends the line; an LF after it is skipped, now or in the next chunk.
        this.#sawCR = from === text.length;
        if (lf === from) from += 1;
        cr = indexOrEnd(text, "\r", from);
      }
      if (lf < from) lf = indexOrEnd(text, "\n", from);
    }
    this.#line.push(text.slice(from));
    return events;
  }

  #endLine(line: string, events: Event[]): void {
    if (line === "") {
      this.#dispatch(events);
      return;
    }
    const colon = line.indexOf(":");
    if (colon === 0) return;
    const name = colon === -1 ? line : line.slice(0, colon);
    const value = colon === -1 ? "" : line.slice(line.charCodeAt(colon + 1) === 32 ? colon + 2 : colon + 1);
    if (name === "data") {
      this.#dataChars += line.length;
      if (this.#dataChars > MAX_EVENT_CHARS) throw new EventTooLarge();
      this.#data.push(value);
    } else if (name === "event") this.#type = value;
    else if (name === "id" && !value.includes("\0")) this.#id = value;
    else if (name === "retry" && /^[0-9]+$/.test(value)) this.retry = Math.min(Number(value), 2 ** 31 - 1);
  }

  #dispatch(events: Event[]): void {
    this.lastEventId = this.#id;
    if (this.#data.length > 0) {
      events.push({ type: this.#type || "message", data: this.#data.join("\n"), id: this.#id });
    }
    this.#data = [];
    this.#dataChars = 0;
    this.#type = "";
  }
}
