// Parsing of a frame: the data of one server-sent event, a JSON object. The only place where frames are parsed. Pure.

import type { Frame } from "../protocol/types.js";

/** The message where what the server sent is no JSON: lines that would be missing without a word. */
export const UNREADABLE = "The server sent lines that cannot be read: they are not JSON";

/** The frame in a text, or undefined if the text is no JSON object. */
export function parseFrame(text: string): Frame | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? (value as Frame) : undefined;
  } catch {
    return undefined;
  }
}
