// Mounts a view in the shadow root of its host element, which keeps the page's styles out. DOM only.

import { setLabel } from "./dom.js";

export interface HostOptions {
  /** The kind of view: `data-logstream` of the host, by which pages and tests find it. */
  readonly name: string;
  /** The accessible name of the view. */
  readonly label: string;
  readonly css: string;
  /** Fills its container. */
  readonly fill?: boolean | undefined;
}

/** Replaces the content of the host's shadow root by the view. */
export function attach(host: HTMLElement, view: HTMLElement, { name, label, css, fill }: HostOptions): void {
  host.dataset["logstream"] = name;
  // Key events inside a shadow root have the host as their target: see viewport.ts.
  host.dataset["lmSuppressShortcuts"] = "true";
  if (fill) host.dataset["fill"] = "";
  const root = host.shadowRoot ?? host.attachShadow({ mode: "open" });
  const style = document.createElement("style");
  style.textContent = css;
  setLabel(view, "aria-label", label);
  root.replaceChildren(style, view);
}
