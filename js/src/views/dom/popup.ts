// A sheet above everything, beside a button or over the whole view: a menu, the list of keys. It lies in the browser's top
// layer, so no output area cuts it off; where a browser has none, it lies in the view. DOM only.

import { element } from "./dom.js";

/** Room to the edge of the window, px. */
const EDGE = 8;

export class Popup {
  readonly element: HTMLElement;
  readonly #closed: () => void;
  #open = false;

  constructor(name: string, label: string, role: "menu" | "dialog", closed: () => void) {
    this.#closed = closed;
    this.element = element("div", `popup ${name}`);
    this.element.hidden = true;
    this.element.tabIndex = -1;
    this.element.setAttribute("role", role);
    this.element.setAttribute("aria-label", label);
    this.element.dataset["lmSuppressShortcuts"] = "true";
    this.element.addEventListener("keydown", (event) => this.#onKey(event));
    this.element.addEventListener("focusout", (event) => {
      if (!this.element.contains(event.relatedTarget as Node | null)) this.close(false);
    });
    if ("showPopover" in this.element) this.element.popover = "manual";
  }

  get isOpen(): boolean {
    return this.#open;
  }

  /** Below an element, or above it where there is no room. */
  open(beside: HTMLElement): void {
    if (this.#open) return;
    this.#open = true;
    this.element.hidden = false;
    if (this.element.popover !== null && this.element.isConnected) this.element.showPopover?.();
    this.#place(beside.getBoundingClientRect());
    const first = this.element.querySelector<HTMLElement>("button:not([hidden])");
    (first ?? this.element).focus({ preventScroll: true });
  }

  /** `back`: give the focus back to where it was. */
  close(back = true): void {
    if (!this.#open) return;
    this.#open = false;
    this.element.hidden = true;
    if (this.element.popover !== null && this.element.isConnected) this.element.hidePopover?.();
    if (back) this.#closed();
  }

  #place(beside: DOMRect): void {
    const { offsetWidth: width, offsetHeight: height } = this.element;
    const left = Math.max(EDGE, Math.min(beside.right - width, innerWidth - width - EDGE));
    const isBelow = beside.bottom + height + EDGE <= innerHeight || beside.top < innerHeight / 2;
    const top = isBelow ? Math.min(beside.bottom + 4, innerHeight - height - EDGE) : beside.top - height - 4;
    this.element.style.left = `${left}px`;
    this.element.style.top = `${Math.max(EDGE, top)}px`;
  }

  #onKey(event: KeyboardEvent): void {
    event.stopPropagation();
    if (event.key === "Escape" || event.key === "Tab") this.close();
    const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (by === undefined) return;
    event.preventDefault();
    const all = [...this.element.querySelectorAll<HTMLElement>("button:not([hidden]):not(:disabled)")];
    const root = this.element.getRootNode() as ShadowRoot | Document;
    const at = all.indexOf(root.activeElement as HTMLElement);
    all[(at + by + all.length) % all.length]?.focus();
  }
}
