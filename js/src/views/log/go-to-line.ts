// "Go to line" input: opens on demand and reports the line number. DOM only.

import { element } from "../dom/dom.js";

export class GoToLine {
  readonly element: HTMLElement;
  readonly #input = element("input", "line");
  readonly #go: (line: number) => void;
  readonly #onClose: () => void;

  constructor(go: (line: number) => void, onClose: () => void) {
    this.#go = go;
    this.#onClose = onClose;
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
    event.stopPropagation(); // typed characters are not shortcuts of the view or of JupyterLab
    if (event.key !== "Enter" && event.key !== "Escape") return;
    const line = Number(this.#input.value.replace(/[\s,.']/g, ""));
    this.#hide();
    this.#onClose();
    if (event.key === "Enter" && Number.isInteger(line) && line > 0) this.#go(line);
  }
}
