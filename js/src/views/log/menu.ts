// Menu of a log view: display options, downloads and other actions. DOM only; it shows preferences and reports clicks.

import { TIMES, type Times } from "../../text/time-column.js";
import { button, element, setText } from "../dom/dom.js";
import { Popup } from "../dom/popup.js";
import type { Preferences } from "./preferences.js";

export interface MenuActions {
  prefer(changes: Partial<Preferences>): void;
  goTo(): void;
  fullWindow(): void;
  clear(): void;
  download(): void;
  downloadComplete(event: Event): void;
  keys(): void;
  onClose(): void;
}

/** Options that are on or off: preference, label, key. */
const FLAGS = [
  ["wrap", "Wrap long lines", "w"],
  ["dense", "Compact line spacing", ""],
  ["groups", "Fold tracebacks and progress bars", ""],
  ["repeats", "Fold repeated lines", ""],
  ["pictures", "Show charts", ""],
] as const;

/** Formats of an exported log that need nothing on the server: name, label. */
const EXPORTS = [
  ["html", "Export as a page (HTML)"],
  ["jsonl", "Export as JSON lines"],
] as const;

const TIME_LABELS: { readonly [times in Times]: string } = {
  none: "No timestamps",
  clock: "Time of day",
  start: "Time since start",
  delta: "Time since previous line",
};

export class Menu {
  readonly popup: Popup;
  readonly #flags: readonly (readonly [(typeof FLAGS)[number][0], HTMLButtonElement])[];
  readonly #times: readonly (readonly [Times, HTMLButtonElement])[];
  readonly #fullWindow: HTMLButtonElement;
  readonly #download: HTMLButtonElement;
  #preferences: Preferences | undefined;

  /** `exportUrl`: an address to which the name of a format is added; empty: there are no exports. */
  constructor(actions: MenuActions, downloadUrl: string, exportUrl = "") {
    this.popup = new Popup("menu", "Display options and actions", "menu", actions.onClose);
    const item = (label: string, key: string, action: () => void, role = "menuitem") => {
      const made = button("item", label, label, () => {
        action();
        if (role === "menuitem") this.popup.close();
      });
      made.setAttribute("role", role);
      for (const name of ["title", "aria-label"]) made.removeAttribute(name); // its text is its accessible name
      if (key !== "") {
        made.append(element("kbd", "", key));
        made.setAttribute("aria-keyshortcuts", key);
        made.lastElementChild?.setAttribute("aria-hidden", "true");
      }
      return made;
    };
    this.#flags = FLAGS.map(([name, label, key]) => {
      const toggle = () => actions.prefer({ [name]: this.#preferences?.[name] !== true });
      return [name, item(label, key, toggle, "menuitemcheckbox")];
    });
    this.#times = TIMES.map((times) => [
      times,
      item(TIME_LABELS[times], "", () => actions.prefer({ times }), "menuitemradio"),
    ]);
    this.#fullWindow = item("Fill the window", "o", actions.fullWindow);
    this.#download = item("Download matching lines", "", actions.download);
    const link = (label: string, href: string, clicked?: (event: Event) => void) => {
      const made = element("a", "item", element("span", "label", label));
      made.href = href;
      made.download = "";
      made.hidden = href === "";
      made.setAttribute("role", "menuitem");
      made.addEventListener("click", (event) => {
        clicked?.(event);
        this.popup.close();
      });
      return made;
    };
    this.popup.element.append(
      ...this.#flags.map(([, checkbox]) => checkbox),
      rule(),
      ...this.#times.map(([, radio]) => radio),
      rule(),
      item("Go to line…", "g", actions.goTo),
      this.#fullWindow,
      item("Clear the view", "", actions.clear),
      rule(),
      link("Download complete log", downloadUrl, actions.downloadComplete),
      this.#download,
      ...EXPORTS.map(([format, label]) => link(label, exportUrl && exportUrl + format)),
      rule(),
      item("Keyboard shortcuts", "?", actions.keys),
    );
  }

  update(preferences: Preferences, filtered: boolean, isFullWindow: boolean): void {
    this.#preferences = preferences;
    for (const [name, checkbox] of this.#flags) checkbox.setAttribute("aria-checked", String(preferences[name]));
    for (const [times, radio] of this.#times) radio.setAttribute("aria-checked", String(times === preferences.times));
    this.#download.hidden = !filtered;
    setText(
      this.#fullWindow.firstElementChild as HTMLElement,
      isFullWindow ? "Leave the full window" : "Fill the window",
    );
  }
}

function rule(): HTMLElement {
  const made = element("div", "rule");
  made.setAttribute("role", "separator");
  return made;
}
