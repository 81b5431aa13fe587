// Height of a view: a resize handle at its lower edge, and full-window mode. DOM only.

import { element } from "./dom.js";

const MIN_HEIGHT_PX = 120;
const KEY_STEP_PX = 40;

/** Creates the handle: drag it or press arrow keys; a double click makes the view as tall as its content. */
export function resizeHandle(view: HTMLElement, onResize: (height: number) => void): HTMLElement {
  const handle = element("div", "handle");
  handle.tabIndex = 0;
  handle.dataset["lmSuppressShortcuts"] = "true";
  handle.title = "Drag to resize, double-click to reset the height";
  handle.setAttribute("role", "separator");
  handle.setAttribute("aria-orientation", "horizontal");
  handle.setAttribute("aria-label", "Log height");
  handle.setAttribute("aria-valuemin", String(MIN_HEIGHT_PX));
  handle.setAttribute("aria-valuenow", "0"); // set by the observer
  new ResizeObserver((entries) => {
    const height = entries.at(-1)?.borderBoxSize[0]?.blockSize ?? 0;
    handle.setAttribute("aria-valuenow", String(Math.round(height)));
  }).observe(view);
  const set = (height: number) => {
    const px = height === 0 ? 0 : Math.max(MIN_HEIGHT_PX, Math.round(height));
    setHeight(view, px);
    onResize(px);
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
    const by = { ArrowUp: -KEY_STEP_PX, ArrowDown: KEY_STEP_PX }[event.key];
    if (by === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    set(view.offsetHeight + by);
  });
  return handle;
}

/** `px` 0: as tall as its content, up to a limit. */
export function setHeight(view: HTMLElement, px: number): void {
  view.style.height = px === 0 ? "" : `${px}px`;
}

/** Fills the window, in the browser's top layer so that no output area clips the view. */
export function setFullWindow(view: HTMLElement, on: boolean): void {
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
