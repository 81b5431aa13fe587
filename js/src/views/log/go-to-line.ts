// Going to a line by its number: a field that comes when it is asked for. DOM only.

import { element } from "../dom/dom.js";

export class GoTo {
  readonly element: HTMLElement;
  readonly #input = element("input", "line");
  readonly #go: (line: number) => void;
  readonly #closed: () => void;

  constructor(go: (line: number) => void, closed: () => void) {
    this.#go = go;
    this.#closed = closed;
    this.#input.type = "text";
    this.#input.inputMode = "numeric";
    this.#input.placeholder = "Line number";
    this.#input.setAttribute("aria-label", "Go to line");
    this.#input.addEventListener("keydown", (event) => this.#onKey(event));
    this.#input.addEventListener("blur", () => this.#hide());
    this.element = element("div", "goto", element("span", "label", "Go to line"), this.#input);
    this.element.hidden = true;
  }

  open(): void {
    this.#input.value = "";
    this.element.hidden = false;
    this.#input.focus();
  }

  #hide(): void {
    this.element.hidden = true;
  }

  #onKey(event: KeyboardEvent): void {
    event.stopPropagation(); // what is typed is meant for nobody else
    if (event.key !== "Enter" && event.key !== "Escape") return;
    const line = Number(this.#input.value.replace(/[\s,.']/g, ""));
    this.#hide();
    this.#closed();
    if (event.key === "Enter" && Number.isInteger(line) && line > 0) this.#go(line);
  }
}
