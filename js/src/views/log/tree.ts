// Tree view of the structured data in a line (parsed by text/tree.ts). DOM only; values are set as textContent.
// <details> elements provide keyboard and screen reader support. A branch is created when it is first opened.

import type { Tree } from "../../text/tree.js";
import { element } from "../dom/dom.js";

/** A top-level branch with at most this many children is open initially. */
const MAX_OPEN_CHILDREN = 12;

export interface TreeOptions {
  /** Called when a branch was opened or closed, which changes the height. */
  readonly resized?: () => void;
}

export function mountTree(host: HTMLElement, tree: Tree, { resized }: TreeOptions = {}): { dispose(): void } {
  const list = element("div", "tree", ...tree.children.map((child) => node(child, 1)));
  list.setAttribute("role", "group");
  list.setAttribute("aria-label", "Fields of this line");
  // `toggle` does not bubble, so it is listened to in the capture phase.
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
  branch.open = depth === 1 && children.length <= MAX_OPEN_CHILDREN;
  fill();
  return branch;
}
