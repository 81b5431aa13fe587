// Parsing of a frame: the data of one server-sent event, a JSON object. The only place where frames are parsed. Pure.

import type { Frame } from "../protocol/types.js";

/** The frame in a text, or undefined if the text is no JSON object. */
export function parseFrame(text: string): Frame | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? (value as Frame) : undefined;
  } catch {
    return undefined;
  }
}
