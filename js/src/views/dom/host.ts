// A view in its host: what the host says of it to the page, and the shadow that keeps the page's style out. DOM only; knows
// no view.

export interface Hosted {
  /** What it is a view of: `data-logstream` of the host, by which a page finds it. */
  readonly name: string;
  /** The view, to those who can't see it. */
  readonly label: string;
  readonly css: string;
  /** As tall as the place it is put in. */
  readonly fill?: boolean | undefined;
}

/** Puts a view into the shadow of its host, in place of what was there. */
export function attach(host: HTMLElement, view: HTMLElement, { name, label, css, fill }: Hosted): void {
  host.dataset["logstream"] = name;
  // Keys pressed inside a shadow root seem to come from its host: see viewport.ts.
  host.dataset["lmSuppressShortcuts"] = "true";
  if (fill) host.dataset["fill"] = "";
  const root = host.shadowRoot ?? host.attachShadow({ mode: "open" });
  const style = document.createElement("style");
  style.textContent = css;
  view.setAttribute("aria-label", label);
  root.replaceChildren(style, view);
}
