// Data in a line as a tree that folds. DOM only; what is in it is told by text/tree.ts, and enters as textContent.
// <details> bring their own keys and their own words for assistive tools; a branch is made when it is first opened.

import type { Tree } from "../../text/tree.js";
import { element } from "../dom/dom.js";

/** Branches of so few children are open from the start. */
const OPEN_UP_TO = 12;

export interface TreeOptions {
  /** Called when a branch was opened or closed: the height has changed. */
  readonly resized?: () => void;
}

export function mountTree(host: HTMLElement, tree: Tree, { resized }: TreeOptions = {}): { dispose(): void } {
  const list = element("div", "tree", ...tree.children.map((child) => node(child, 1)));
  list.setAttribute("role", "group");
  list.setAttribute("aria-label", "Fields of this line");
  // Not bubbling: caught on the way down, from whichever branch.
  list.addEventListener("toggle", () => resized?.(), true);
  host.append(list);
  return { dispose: () => list.remove() };
}

function node(tree: Tree, depth: number): HTMLElement {
  const { key, kind, text, children } = tree;
  const name = key === "" ? [] : [element("span", "key", key), ": "];
  const value = element("span", `value ${kind}`, text);
  if (children.length === 0) return element("div", "leaf", ...name, value);
  const brackets = kind === "array" ? ["[", "]"] : ["{", "}"];
  const folded = element("span", "folded", `${brackets[0]}${text}${brackets[1]}`);
  const branch = element("details", "branch", element("summary", "", ...name, folded));
  const fill = () => {
    if (branch.open && branch.childElementCount === 1)
      branch.append(...children.map((child) => node(child, depth + 1)));
  };
  branch.addEventListener("toggle", fill);
  branch.open = depth === 1 && children.length <= OPEN_UP_TO;
  fill();
  return branch;
}
