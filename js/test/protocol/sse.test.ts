// The decoder against the language-neutral vectors that the Python decoder passes, too, and against the clock.
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { Decoder, type Event } from "../../src/protocol/sse.js";
import { busyMs } from "../support/busy.js";

interface Counter {
  counter: { [field: string]: string };
  from: number;
  to: number;
}
interface Input {
  input_b64?: string;
  input_parts?: (
    | { text: string }
    | { repeat: string; count: number }
    | { counter: string; from: number; to: number }
  )[];
}
interface Vector extends Input {
  id: string;
  class: string;
  note: string;
  expected_events?: Event[];
  expected_events_generated?: (Counter | { type: string; id: string; data?: string; data_repeat?: [string, number] })[];
  expected_last_event_id: string;
  expected_retry_ms: number | null;
}

const file = new URL("../../../tests/vectors/sse.json", import.meta.url);
const { parse_vectors: vectors, limit_vectors: limits } = JSON.parse(readFileSync(file, "utf8")) as {
  parse_vectors: Vector[];
  limit_vectors: (Input & { id: string; note: string; expected_events: number | null })[];
};
const encode = (text: string) => new TextEncoder().encode(text);
const count = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => String(from + i));

function input(vector: Input): Uint8Array {
  if (vector.input_b64 !== undefined) return new Uint8Array(Buffer.from(vector.input_b64, "base64"));
  const parts = (vector.input_parts ?? []).map((part) => {
    if ("text" in part) return part.text;
    if ("repeat" in part) return part.repeat.repeat(part.count);
    return count(part.from, part.to)
      .map((i) => part.counter.replaceAll("{i}", i))
      .join("");
  });
  return encode(parts.join(""));
}

function expected(vector: Vector): Event[] {
  if (vector.expected_events !== undefined) return vector.expected_events;
  return (vector.expected_events_generated ?? []).flatMap((made) => {
    if (!("counter" in made))
      return [
        { type: made.type, id: made.id, data: made.data ?? made.data_repeat?.[0].repeat(made.data_repeat[1]) ?? "" },
      ];
    const fill = (name: string, i: string) => (made.counter[name] ?? "").replaceAll("{i}", i);
    return count(made.from, made.to).map((i) => ({ type: fill("type", i), data: fill("data", i), id: fill("id", i) }));
  });
}

const EMPTY = new Uint8Array();

function decode(chunks: Iterable<Uint8Array>): { events: Event[]; decoder: Decoder } {
  const decoder = new Decoder();
  const events: Event[] = [];
  for (const chunk of chunks)
    for (const fed of [chunk, EMPTY]) for (const event of decoder.feed(fed)) events.push(event);
  return { events, decoder };
}

function* inChunksOf(bytes: Uint8Array, size: number): Iterable<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

function* cuts(bytes: Uint8Array, isSize: boolean): Iterable<Iterable<Uint8Array>> {
  yield [bytes];
  if (isSize) {
    for (const size of [1, 7, 1024, 4096, 65536]) yield inChunksOf(bytes, size);
    return;
  }
  yield inChunksOf(bytes, 1);
  for (let a = 1; a < bytes.length; a++) {
    yield [bytes.subarray(0, a), bytes.subarray(a)];
    if (bytes.length > 40) continue;
    for (let b = a + 1; b < bytes.length; b++) yield [bytes.subarray(0, a), bytes.subarray(a, b), bytes.subarray(b)];
  }
}

describe("every vector gives the same events however its bytes are cut", () => {
  it.each(vectors.map((vector) => [vector.id, vector.note, vector] as const))(
    "%s: %s",
    (_id, _note, vector) => {
      const bytes = input(vector);
      const events = expected(vector);
      for (const chunks of cuts(bytes, vector.input_parts !== undefined)) {
        const got = decode(chunks);
        // Not toEqual for each cut of the big ones: comparing would take longer than decoding.
        if (JSON.stringify(got.events) !== JSON.stringify(events)) expect(got.events).toEqual(events);
        expect(got.decoder.lastEventId).toBe(vector.expected_last_event_id);
        if (vector.class === "must") expect(got.decoder.retry ?? null).toBe(vector.expected_retry_ms);
      }
    },
    60_000,
  );
});

describe("an event of more than 16 MiB is refused", () => {
  it.each(limits.flatMap((vector) => [65536, 2 ** 30].map((size) => [vector.id, vector.note, size, vector] as const)))(
    "%s: %s, in chunks of %i bytes",
    (_id, _note, size, vector) => {
      const chunks = inChunksOf(input(vector), size);
      if (vector.expected_events === null) expect(() => decode(chunks)).toThrow("more than 16 MiB");
      else expect(decode(chunks).events.length).toBe(vector.expected_events);
    },
    60_000,
  );
});

describe("Decoder", () => {
  it("dispatches on a bare CR at once and swallows an LF that comes in the next chunk", () => {
    const decoder = new Decoder();
    expect(decoder.feed(encode("data: a\r\r"))).toEqual([{ type: "message", data: "a", id: "" }]);
    expect(decoder.feed(encode("\ndata: b\r\n\r"))).toEqual([{ type: "message", data: "b", id: "" }]);
    expect(decoder.feed(encode("\n\n"))).toEqual([]);
  });

  it("takes a time that grows with the input and not with its square", () => {
    const time = (size: number, chunk: number) => {
      const bytes = encode(`data: ${"y".repeat(size)}\n\n`);
      const start = busyMs();
      const decoder = new Decoder();
      let events = 0;
      for (const part of inChunksOf(bytes, chunk)) events += decoder.feed(part).length;
      expect(events).toBe(1);
      return busyMs() - start;
    };
    time(200_000, 1);
    // Ten times the input: ten times the time if linear, a hundred times if not.
    expect(time(2_000_000, 1)).toBeLessThan(40 * Math.max(5, time(200_000, 1)));
    expect(time(16_000_000, 4096)).toBeLessThan(40 * Math.max(5, time(2_000_000, 4096)));
  });
});
