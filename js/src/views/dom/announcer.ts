// What a screen reader is told of a log that it doesn't read aloud: how it stands at once, how many lines came now and then.
// DOM only.

import { thousands } from "../../text/format.js";
import { element, setText } from "./dom.js";

const PACE_MS = 10_000;

export class Announcer {
  readonly element = element("div", "unseen");
  #state = "";
  #lines = -1;
  #errors = 0;
  #at = 0;

  constructor() {
    this.element.setAttribute("role", "status");
  }

  /** Reads out a line of the log. */
  read(text: string): void {
    setText(this.element, text);
    this.#at = Date.now();
  }

  /** `state`: in words, as the badge says it. */
  update(state: string, lines: number, errors: number): void {
    const now = Date.now();
    if (state !== this.#state) {
      this.#state = state;
      setText(this.element, `${state}, ${thousands(lines)} lines`);
    } else if (now - this.#at < PACE_MS || lines === this.#lines) return;
    else {
      const [news, bad] = [lines - this.#lines, errors - this.#errors];
      setText(this.element, `${thousands(news)} new lines${bad > 0 ? `, ${thousands(bad)} errors` : ""}`);
    }
    this.#at = now;
    this.#lines = lines;
    this.#errors = errors;
  }
}
