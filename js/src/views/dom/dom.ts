// Helpers that create and update elements. DOM only. Text is set as textContent only, so no log text becomes markup, and
// with visible stand-ins for control and bidi characters, so none disguises what is shown. Only the lines of a log
// keep theirs, to be copied as they were written: see line-text.ts.

import { printable } from "../../text/unprintable.js";

/** Longest tooltip and accessible name: a command or a tag can have 100 kB, and rows are painted every second. */
export const MAX_TITLE_CHARS = 2000;

/** Creates an element; strings become its text. */
export function element<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  className: string,
  ...children: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const created = document.createElement(tag);
  created.className = className;
  created.append(...children.map((child) => (typeof child === "string" ? printable(child) : child)));
  return created;
}

const SVG = "http://www.w3.org/2000/svg";

/** Creates an SVG element, like `element` an HTML one. */
export function svg<K extends keyof SVGElementTagNameMap>(
  tag: K,
  className: string,
  ...children: SVGElement[]
): SVGElementTagNameMap[K] {
  const created = document.createElementNS(SVG, tag);
  if (className !== "") created.setAttribute("class", className);
  created.append(...children);
  return created;
}

/** Outlines on a 16 x 16 grid, drawn in the text colour. */
const ICONS = {
  dot: "M8 5.5a2.5 2.5 0 1 1 0 5a2.5 2.5 0 1 1 0-5",
  ring: "M8 2.5A5.5 5.5 0 1 1 2.5 8",
  retry: "M13 9a5 5 0 1 1-1.5-4.5L13.5 6.5M13.5 2.5v4h-4",
  check: "M3 8.5 6.5 12 13 4.5",
  cross: "m4 4 8 8M12 4l-8 8",
  slash: "M8 2.5a5.5 5.5 0 1 1 0 11a5.5 5.5 0 1 1 0-11M4.1 4.1l7.8 7.8",
  clock: "M8 2.5a5.5 5.5 0 1 1 0 11a5.5 5.5 0 1 1 0-11M8 5v3.3L10 10",
  question: "M5.5 6a2.6 2.6 0 1 1 3.6 2.3C8.3 8.7 8 9.1 8 10M8 13v.1",
  down: "M8 3v10M4 9l4 4 4-4",
  up: "M8 13V3M4 7l4-4 4 4",
  find: "M7 2.5a4.5 4.5 0 1 1 0 9a4.5 4.5 0 1 1 0-9M10.4 10.4 14 14",
  download: "M8 2.5V10M4.8 7 8 10.2 11.2 7M3 13.5h10",
  stop: "M4 4h8v8h-8z",
  chevron: "m6 4 4 4-4 4",
  copy: "M6 6h7v7H6zM3.5 10H3V3h7v.5",
  hash: "M6.5 3 5 13M11 3 9.5 13M3.5 6h10M2.5 10h10",
  trash: "M3 4.5h10M6.5 4.5V3h3v1.5M4.5 4.5 5 13h6l.5-8.5",
  tab: "M9 3h4v4M13 3 7.5 8.5M7 3.5H3.5v9h9V9",
  filter: "M2.5 3.5h11L9.5 8.5v4l-3-1.5v-2.5z",
  more: "M3 4.5h10M3 8h10M3 11.5h10",
  alert: "M8 3 14 13H2zM8 7v2.5M8 11.4v.1",
} as const;

export type IconName = keyof typeof ICONS;

/** Creates a decorative icon, hidden from assistive tools. `className`: additional class names. */
export function icon(name: IconName, className = ""): SVGElement {
  const created = document.createElementNS(SVG, "svg");
  created.setAttribute("viewBox", "0 0 16 16");
  created.setAttribute("class", className === "" ? "icon" : `icon ${className}`);
  created.setAttribute("aria-hidden", "true");
  created.append(document.createElementNS(SVG, "path"));
  setIcon(created, name);
  return created;
}

export function setIcon(target: SVGElement, name: IconName): void {
  const path = target.firstElementChild;
  if (path !== null && path.getAttribute("d") !== ICONS[name]) path.setAttribute("d", ICONS[name]);
}

/** Creates a button. `title` is its tooltip and accessible name; `label` is shown beside the icon. */
export function button(
  className: string,
  label: string,
  title: string,
  onClick: () => void,
  sign?: IconName,
): HTMLButtonElement {
  const text = label === "" ? [] : [element("span", "label", label)];
  const created = element("button", className, ...(sign === undefined ? [] : [icon(sign)]), ...text);
  created.type = "button";
  setName(created, title);
  created.addEventListener("click", onClick);
  return created;
}

/** Sets a text that changed; an unchanged one keeps the user's selection and costs no layout. */
export function setText(target: HTMLElement, text: string): void {
  const shown = printable(text);
  if (target.textContent !== shown) target.textContent = shown;
}

export function setData(target: HTMLElement, name: string, value: string): void {
  if (target.dataset[name] !== value) target.dataset[name] = value;
}

export function setTitle(target: HTMLElement, title: string): void {
  const shown = brief(title);
  if (target.title !== shown) target.title = shown;
}

function brief(text: string): string {
  return printable(text.length > MAX_TITLE_CHARS ? `${text.slice(0, MAX_TITLE_CHARS)}…` : text);
}

/** Sets an attribute that is shown or read aloud. */
export function setLabel(target: Element, attribute: "aria-label" | "aria-valuetext", text: string): void {
  const shown = brief(text);
  if (target.getAttribute(attribute) !== shown) target.setAttribute(attribute, shown);
}

/** Sets the tooltip and the accessible name. */
export function setName(target: HTMLElement, name: string): void {
  setTitle(target, name);
  setLabel(target, "aria-label", name);
}
