// Popup next to an element: a menu or a dialog. DOM only.
// It is a popover in the browser's top layer, so that no output area clips it; browsers without popovers show it in the view.

import { element } from "./dom.js";

/** Distances to the edge of the window and to the anchor. */
const [EDGE_PX, ANCHOR_PX] = [8, 4];

export class Popup {
  readonly element: HTMLElement;
  readonly #onClose: () => void;
  #open = false;

  constructor(name: string, label: string, role: "menu" | "dialog", onClose: () => void) {
    this.#onClose = onClose;
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

  /** Opens below an element, or above it if there is no space. */
  open(anchor: HTMLElement): void {
    if (this.#open) return;
    this.#open = true;
    this.element.hidden = false;
    if (this.element.popover !== null && this.element.isConnected) this.element.showPopover?.();
    this.#position(anchor.getBoundingClientRect());
    const first = this.element.querySelector<HTMLElement>("button:not([hidden])");
    (first ?? this.element).focus({ preventScroll: true });
  }

  /** `restoreFocus`: calls `onClose`, which returns the focus. */
  close(restoreFocus = true): void {
    if (!this.#open) return;
    this.#open = false;
    this.element.hidden = true;
    if (this.element.popover !== null && this.element.isConnected) this.element.hidePopover?.();
    if (restoreFocus) this.#onClose();
  }

  #position(anchor: DOMRect): void {
    const { offsetWidth: width, offsetHeight: height } = this.element;
    const left = Math.max(EDGE_PX, Math.min(anchor.right - width, innerWidth - width - EDGE_PX));
    const isBelow = anchor.bottom + height + EDGE_PX <= innerHeight || anchor.top < innerHeight / 2;
    const top = isBelow
      ? Math.min(anchor.bottom + ANCHOR_PX, innerHeight - height - EDGE_PX)
      : anchor.top - height - ANCHOR_PX;
    this.element.style.left = `${left}px`;
    this.element.style.top = `${Math.max(EDGE_PX, top)}px`;
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
