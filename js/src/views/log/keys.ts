// Keyboard shortcuts of a log view, as one table that is also the list shown to the user. DOM only.
// Keys typed into inputs, and keys with Ctrl, Alt or Meta other than copy, are not handled.

import { element } from "../dom/dom.js";

export interface KeyActions {
  find(): void;
  next(by: number): void;
  error(by: number): void;
  follow(): void;
  /** Moves the current line by a number of rows. */
  moveCurrent(by: number): void;
  /** Folds or unfolds the current line; false: there is none. */
  fold(): boolean;
  /** Selects the current line, or extends the selection to it. */
  select(extend: boolean): void;
  wrap(): void;
  times(): void;
  goTo(): void;
  end(): void;
  fullWindow(): void;
  help(): void;
  /** Clears the selection, or closes the filter bar or the full window; false: there was nothing to close. */
  back(): boolean;
  /** Copies the selected lines; false: there are none. */
  copy(): boolean;
}

type Action = (actions: KeyActions) => void;

/** Keys, their description, and the action of each; rows without one are handled by the viewport or by `handleContextKey`. */
const KEYS: readonly (readonly [keys: string, description: string, ...actions: Action[]])[] = [
  ["/", "Find in the complete log", (it) => it.find()],
  ["n N", "Next, previous match", (it) => it.next(1), (it) => it.next(-1)],
  ["e E", "Next, previous error", (it) => it.error(1), (it) => it.error(-1)],
  ["f", "Follow the end, or pause", (it) => it.follow()],
  ["w", "Wrap long lines on or off", (it) => it.wrap()],
  ["t", "Timestamps: none, time of day, since start, since previous line", (it) => it.times()],
  ["g", "Go to a line number", (it) => it.goTo()],
  ["G", "Go to the end", (it) => it.end()],
  ["Home End", "First line, last line"],
  ["↑ ↓ PgUp PgDn Space", "Scroll"],
  ["j k", "Next line, previous line", (it) => it.moveCurrent(1), (it) => it.moveCurrent(-1)],
  ["Enter", "Fold or unfold the current line"],
  ["c C", "Select the current line, extend the selection to it", (it) => it.select(false), (it) => it.select(true)],
  ["Ctrl+C", "Copy the selected lines"],
  ["o", "Full window on or off", (it) => it.fullWindow()],
  ["Esc", "Close, or clear the selection"],
  ["?", "Show this list", (it) => it.help()],
];

const ACTIONS = new Map(
  KEYS.flatMap(([keys, , ...actions]) => actions.map((action, i) => [keys.split(" ")[i] ?? "", action] as const)),
);

export function listenToKeys(view: HTMLElement, actions: KeyActions): void {
  view.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || isField(event.target)) return;
    const isPlain = !event.ctrlKey && !event.altKey && !event.metaKey;
    const action = isPlain ? ACTIONS.get(event.key) : undefined;
    const isHandled =
      action !== undefined || (isPlain ? handleContextKey(event, actions) : isCopy(event) && actions.copy());
    if (!isHandled) return;
    action?.(actions);
    event.preventDefault();
    event.stopPropagation();
  });
}

export function keyList(): HTMLElement {
  const list = element("dl", "keylist");
  for (const [keys, description] of KEYS) {
    const caps = keys.split(" ").map((key) => element("kbd", "", key));
    list.append(element("dt", "", ...caps), element("dd", "", description));
  }
  return list;
}

/** Handles Escape and Enter only where they have an effect, so that they reach JupyterLab otherwise. */
function handleContextKey({ key, target }: KeyboardEvent, actions: KeyActions): boolean {
  if (key === "Escape") return actions.back();
  return key === "Enter" && !(target instanceof Element && target.closest("button, a, summary")) && actions.fold();
}

function isCopy(event: KeyboardEvent): boolean {
  return (event.ctrlKey || event.metaKey) && !event.altKey && event.key.toLowerCase() === "c";
}

function isField(target: EventTarget | null): boolean {
  return target instanceof HTMLInputElement || target instanceof HTMLSelectElement;
}
