// The keyboard of a log: which key does what, as a table that is also the list shown to the user. DOM only. Keys that are
// typed into fields are theirs; a key with Ctrl, Alt or Meta is the browser's, but for copying.

import { element } from "../dom/dom.js";

export interface KeyActions {
  find(): void;
  next(by: number): void;
  error(by: number): void;
  follow(): void;
  /** Marks a line, so many further. */
  mark(by: number): void;
  /** Folds or opens the marked line; false: none is marked. */
  fold(): boolean;
  /** Chooses the marked line, or all up to it. */
  choose(upTo: boolean): void;
  wrap(): void;
  times(): void;
  goTo(): void;
  end(): void;
  large(): void;
  help(): void;
  /** Closes or forgets the last thing that was opened or chosen; false: there was nothing. */
  back(): boolean;
  /** Copies chosen lines; false: there are none. */
  copy(): boolean;
}

type Act = (actions: KeyActions) => void;

/** Keys, what they do in words, and the act of each; without one the viewport does it, or see `isOther`. */
const KEYS: readonly (readonly [keys: string, words: string, ...acts: Act[]])[] = [
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
  ["j k", "Next line, previous line", (it) => it.mark(1), (it) => it.mark(-1)],
  ["Enter", "Fold or unfold the current line"],
  ["c C", "Select the current line, extend the selection to it", (it) => it.choose(false), (it) => it.choose(true)],
  ["Ctrl+C", "Copy the selected lines"],
  ["o", "Full window on or off", (it) => it.large()],
  ["Esc", "Close, or clear the selection"],
  ["?", "Show this list", (it) => it.help()],
];

const ACTS = new Map(
  KEYS.flatMap(([keys, , ...acts]) => acts.map((act, i) => [keys.split(" ")[i] ?? "", act] as const)),
);

export function listenToKeys(view: HTMLElement, actions: KeyActions): void {
  view.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || isField(event.target)) return;
    const isPlain = !event.ctrlKey && !event.altKey && !event.metaKey;
    const act = isPlain ? ACTS.get(event.key) : undefined;
    const isDone = act !== undefined || (isPlain ? isOther(event, actions) : isCopy(event) && actions.copy());
    if (!isDone) return;
    act?.(actions);
    event.preventDefault();
    event.stopPropagation();
  });
}

export function keyList(): HTMLElement {
  const list = element("dl", "keylist");
  for (const [keys, words] of KEYS) {
    const caps = keys.split(" ").map((key) => element("kbd", "", key));
    list.append(element("dt", "", ...caps), element("dd", "", words));
  }
  return list;
}

/** Keys that are the view's only where there is something to do. */
function isOther({ key, target }: KeyboardEvent, actions: KeyActions): boolean {
  if (key === "Escape") return actions.back();
  return key === "Enter" && !(target instanceof Element && target.closest("button, a, summary")) && actions.fold();
}

function isCopy(event: KeyboardEvent): boolean {
  return (event.ctrlKey || event.metaKey) && !event.altKey && event.key.toLowerCase() === "c";
}

function isField(target: EventTarget | null): boolean {
  return target instanceof HTMLInputElement || target instanceof HTMLSelectElement;
}
