// Live region for screen readers: state changes at once, the number of new lines at intervals. DOM only.

import { thousands } from "../../text/format.js";
import { element, setText } from "./dom.js";

/** The minimum interval between two announcements of new lines. */
const ANNOUNCE_INTERVAL_MS = 10_000;

export class Announcer {
  readonly element = element("div", "unseen");
  #state = "";
  #lines = -1;
  #errors = 0;
  #announcedAt = 0;

  constructor() {
    this.element.setAttribute("role", "status");
  }

  announce(text: string): void {
    setText(this.element, text);
    this.#announcedAt = Date.now();
  }

  /** `state`: the text of the badge. */
  update(state: string, lines: number, errors: number): void {
    const now = Date.now();
    if (state !== this.#state) {
      this.#state = state;
      setText(this.element, `${state}, ${thousands(lines)} lines`);
    } else if (now - this.#announcedAt < ANNOUNCE_INTERVAL_MS || lines === this.#lines) return;
    else {
      const [newLines, newErrors] = [lines - this.#lines, errors - this.#errors];
      const errorText = newErrors > 0 ? `, ${thousands(newErrors)} errors` : "";
      setText(this.element, `${thousands(newLines)} new lines${errorText}`);
    }
    this.#announcedAt = now;
    this.#lines = lines;
    this.#errors = errors;
  }
}
