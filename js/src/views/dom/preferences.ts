// How the user likes logs to look, remembered in this browser for all of them. What is stored may come from another version,
// or be nobody's: each value is checked. Where nothing can be stored, it is remembered as long as the page. DOM only.

import { TIMES } from "../../text/time-column.js";
import type { LineStyle } from "../log/line-list.js";

export interface Preferences extends LineStyle {
  /** Curves, and lines over time, above the lines. */
  readonly pictures: boolean;
  /** Px of the whole view; 0: as tall as its content, up to a bound. */
  readonly height: number;
}

const KEY = "jupyter-logstream";
const NONE: Preferences = {
  ...{ wrap: false, dense: false, times: "none", groups: true, repeats: false },
  ...{ pictures: true, height: 0 },
};
type Stored = Partial<Record<keyof Preferences, unknown>>;
let ours: Preferences | undefined;

export function preferences(): Preferences {
  ours ??= checked(stored());
  return ours;
}

export function prefer(changes: Partial<Preferences>): Preferences {
  ours = { ...preferences(), ...changes };
  try {
    localStorage.setItem(KEY, JSON.stringify(ours));
  } catch {
    // Switched off, or full: then for this page only.
  }
  return ours;
}

function stored(): Stored {
  try {
    const value: unknown = JSON.parse(localStorage.getItem(KEY) ?? "{}");
    return typeof value === "object" && value !== null ? value : {};
  } catch {
    return {};
  }
}

function checked({ times, height, ...flags }: Stored): Preferences {
  const is = (name: keyof typeof flags) => (typeof flags[name] === "boolean" ? flags[name] : NONE[name]);
  return {
    wrap: is("wrap"),
    dense: is("dense"),
    groups: is("groups"),
    repeats: is("repeats"),
    pictures: is("pictures"),
    times: TIMES.find((one) => one === times) ?? NONE.times,
    height: typeof height === "number" && height >= 120 && height <= 5000 ? Math.round(height) : 0,
  };
}
