// How big a log's view is: a handle at its lower edge to drag, and the whole window. DOM only; who remembers is injected.

import { element } from "./dom.js";

const LEAST = 120;
const STEP = 40;

/** The handle: drag it, or press the arrow keys on it; a double click makes the view as tall as its content again. */
export function resizeHandle(view: HTMLElement, resized: (height: number) => void): HTMLElement {
  const handle = element("div", "handle");
  handle.tabIndex = 0;
  handle.dataset["lmSuppressShortcuts"] = "true";
  handle.title = "Drag to resize, double-click to reset the height";
  handle.setAttribute("role", "separator");
  handle.setAttribute("aria-orientation", "horizontal");
  handle.setAttribute("aria-label", "Log height");
  handle.setAttribute("aria-valuemin", String(LEAST));
  handle.setAttribute("aria-valuenow", "0"); // known once it is laid out
  new ResizeObserver(() => handle.setAttribute("aria-valuenow", String(view.offsetHeight))).observe(view);
  const set = (height: number) => {
    const px = height === 0 ? 0 : Math.max(LEAST, Math.round(height));
    setHeight(view, px);
    resized(px);
  };
  handle.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    event.preventDefault();
    const grip = view.offsetHeight - event.clientY;
    const move = (moved: PointerEvent) => set(moved.clientY + grip);
    handle.setPointerCapture(event.pointerId);
    handle.addEventListener("pointermove", move);
    handle.addEventListener("lostpointercapture", () => handle.removeEventListener("pointermove", move), {
      once: true,
    });
  });
  handle.addEventListener("dblclick", () => set(0));
  handle.addEventListener("keydown", (event) => {
    const by = { ArrowUp: -STEP, ArrowDown: STEP }[event.key];
    if (by === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    set(view.offsetHeight + by);
  });
  return handle;
}

/** 0: as tall as its content, up to a bound. */
export function setHeight(view: HTMLElement, px: number): void {
  view.style.height = px === 0 ? "" : `${px}px`;
}

/** Over the whole window, in the browser's top layer: no output area cuts it off. */
export function setLarge(view: HTMLElement, on: boolean): void {
  view.classList.toggle("large", on);
  if (!("showPopover" in view)) return;
  if (on) {
    view.popover = "manual";
    view.showPopover();
  } else {
    view.hidePopover();
    view.removeAttribute("popover");
  }
}
