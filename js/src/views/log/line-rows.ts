// The rows in the DOM, one per key, in order; reused where two paints overlap. What a key shows is told from outside;
// where the rows lie on the screen is the viewport's business. The text of a row is the message and nothing else: its
// number, time and signs are drawn from attributes, and neither selected nor copied.

import type { Expander } from "../../log/expandable-rows.js";
import type { RowContent } from "../../log/row-model.js";
import type { Tree } from "../../text/tree.js";
import { element, icon } from "../dom/dom.js";
import { type Highlight, writeText } from "./line-text.js";
import { mountTree } from "./tree.js";

/** What is drawn around a row's text; undefined or "": nothing. */
export interface Look extends Partial<Expander> {
  /** A time, as the user wants it. */
  readonly stamp?: string | undefined;
  /** The record that was looked for. */
  readonly hit?: boolean | undefined;
  /** Chosen, to be copied. */
  readonly chosen?: boolean | undefined;
}

export interface Painter {
  content(key: number): RowContent;
  /** The seq of a record that isn't here yet, where that is known. */
  pendingSeq(key: number, content: RowContent): string | undefined;
  look(key: number, content: RowContent): Look;
}

function sameContent(a: RowContent, b: RowContent): boolean {
  if (a.kind !== b.kind) return false;
  if (a.kind === "record") return a.record === (b as typeof a).record;
  return a.kind === "pending" || a.text === (b as typeof a).text;
}

interface Row {
  readonly element: HTMLElement;
  readonly text: HTMLElement;
  content: RowContent | undefined;
  fold: HTMLButtonElement | undefined;
  tree: Tree | undefined;
}

export class LineRows {
  readonly element = element("div", "rows");
  #shown = new Map<number, Row>();
  #highlight: Highlight | undefined;

  readonly #toggled: (key: number) => void;

  /** `toggled`: the user wants to fold or unfold what a row stands for. */
  constructor(toggled: (key: number) => void) {
    this.#toggled = toggled;
    this.element.setAttribute("role", "list");
  }

  get count(): number {
    return this.#shown.size;
  }

  /** What to mark in the texts, from the next paint on. */
  set highlight(highlight: Highlight | undefined) {
    if (highlight === this.#highlight) return;
    this.#highlight = highlight;
    for (const row of this.#shown.values()) row.content = undefined;
  }

  /** Shows these keys, which are in order. `first`: the position of the first of them among all rows, from 0. `size`: how
   * many rows there are in all, -1 while that changes: for assistive tools. */
  paint(keys: readonly number[], painter: Painter, first = 0, size = -1): void {
    const before = this.#shown;
    const wanted = new Set(keys);
    for (const [key, row] of before) if (!wanted.has(key)) row.element.remove();
    this.#shown = new Map();
    let at = this.element.firstElementChild;
    keys.forEach((key, i) => {
      const row = before.get(key) ?? made();
      this.#shown.set(key, row);
      this.#fill(row, key, painter);
      setAttribute(row.element, "aria-posinset", String(first + i + 1));
      setAttribute(row.element, "aria-setsize", String(size));
      if (row.element === at) at = at.nextElementSibling;
      else this.element.insertBefore(row.element, at);
    });
  }

  #fill(row: Row, key: number, painter: Painter): void {
    const content = painter.content(key);
    if (row.content === undefined || !sameContent(row.content, content)) this.#write(row, key, content, painter);
    const look = painter.look(key, content);
    setOrDrop(row.element, "stamp", look.stamp);
    setOrDrop(row.element, "hit", look.hit ? "" : undefined);
    setOrDrop(row.element, "chosen", look.chosen ? "" : undefined);
    setOrDrop(row.text, "badge", look.badge);
    setOrDrop(row.text, "title", look.title);
    this.#showFold(row, key, look);
    this.#showTree(row, look.tree);
    const isSeveral = content.kind === "record" && content.record.message.includes("\n");
    row.element.classList.toggle("opened", look.tree !== undefined || (isSeveral && look.fold === "open"));
  }

  #showFold(row: Row, key: number, { fold, badge }: Look): void {
    setOrDrop(row.element, "fold", fold);
    if (fold === undefined) {
      row.fold?.remove();
      row.fold = undefined;
      return;
    }
    if (row.fold === undefined) {
      row.fold = element("button", "fold", icon("chevron"));
      row.fold.type = "button";
      row.fold.tabIndex = -1; // the keyboard folds from where it is: see keys.ts
      row.fold.addEventListener("click", () => this.#toggled(key));
      row.text.before(row.fold);
    }
    const label = `${fold === "open" ? "Fold" : "Unfold"}${badge === undefined ? "" : `: ${badge}`}`;
    setAttribute(row.fold, "aria-label", label);
    setAttribute(row.fold, "aria-expanded", String(fold === "open"));
  }

  #showTree(row: Row, tree: Tree | undefined): void {
    if (tree === row.tree) return;
    row.element.querySelector(".tree")?.remove();
    row.tree = tree;
    if (tree !== undefined) mountTree(row.element, tree);
  }

  #write(row: Row, key: number, content: RowContent, painter: Painter): void {
    row.content = content;
    const record = content.kind === "record" ? content.record : undefined;
    row.element.className = `row ${record?.part ? "part" : content.kind}`;
    setOrDrop(row.element, "seq", record === undefined ? painter.pendingSeq(key, content) : String(record.seq));
    setOrDrop(row.element, "level", record?.level);
    setOrDrop(row.element, "source", record?.source);
    const text = record?.message ?? (content.kind === "pending" ? "" : (content as { text: string }).text);
    writeText(row.text, text, content.kind === "note" ? undefined : this.#highlight);
  }
}

function made(): Row {
  const text = element("span", "text");
  const row = element("div", "row", text);
  row.setAttribute("role", "listitem");
  return { element: row, text, content: undefined, fold: undefined, tree: undefined };
}

function setAttribute(target: HTMLElement, name: string, value: string): void {
  if (target.getAttribute(name) !== value) target.setAttribute(name, value);
}

function setOrDrop(row: HTMLElement, name: string, value: string | undefined): void {
  if (row.dataset[name] === value) return;
  if (value === undefined) delete row.dataset[name];
  else row.dataset[name] = value;
}
