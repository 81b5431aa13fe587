// The user's display preferences, stored in localStorage for all logs of this browser. DOM only.
// Stored values can come from another version or from a user, so each one is validated. Without storage they last as long
// as the page.

import type { Folding } from "../../log/grouping.js";
import { TIMES, type Times } from "../../text/time-column.js";

/** How lines are drawn. */
export interface LineStyle extends Folding {
  readonly wrap: boolean;
  readonly dense: boolean;
  readonly times: Times;
}

export interface Preferences extends LineStyle {
  /** Shows the charts (metrics, lines over time) above the lines. */
  readonly pictures: boolean;
  /** Height of the view in px; 0: as tall as its content, up to a limit. */
  readonly height: number;
}

const STORAGE_KEY = "jupyter-logstream";
const [MIN_HEIGHT_PX, MAX_HEIGHT_PX] = [120, 5000];
const DEFAULTS: Preferences = {
  ...{ wrap: false, dense: false, times: "none", groups: true, repeats: false },
  ...{ pictures: true, height: 0 },
};
type Stored = Partial<Record<keyof Preferences, unknown>>;
let current: Preferences | undefined;

export function preferences(): Preferences {
  current ??= validated(stored());
  return current;
}

/** Changes and stores preferences; returns all of them. */
export function setPreferences(changes: Partial<Preferences>): Preferences {
  current = { ...preferences(), ...changes };
  try {
    localStorage.setItem(STORAGE_KEY, JSON.stringify(current));
  } catch {
    // Storage is disabled or full: the preferences last as long as the page.
  }
  return current;
}

function stored(): Stored {
  try {
    const value: unknown = JSON.parse(localStorage.getItem(STORAGE_KEY) ?? "{}");
    return typeof value === "object" && value !== null ? value : {};
  } catch {
    return {};
  }
}

function validated({ times, height, ...flags }: Stored): Preferences {
  const flag = (name: keyof typeof flags) => (typeof flags[name] === "boolean" ? flags[name] : DEFAULTS[name]);
  const isHeight = typeof height === "number" && height >= MIN_HEIGHT_PX && height <= MAX_HEIGHT_PX;
  return {
    wrap: flag("wrap"),
    dense: flag("dense"),
    groups: flag("groups"),
    repeats: flag("repeats"),
    pictures: flag("pictures"),
    times: TIMES.find((one) => one === times) ?? DEFAULTS.times,
    height: isHeight ? Math.round(height) : DEFAULTS.height,
  };
}
