// Row elements of the visible lines, one per key, in order; elements are reused where two paints overlap. DOM only.
// Input is plain data: what each row shows. The viewport positions the rows. The text of a row is the message and nothing
// else: number, time and signs are drawn from attributes, so they are neither selected nor copied.

import type { Expander } from "../../log/expandable-rows.js";
import type { RowContent } from "../../log/row-model.js";
import type { Tree } from "../../text/tree.js";
import { printable } from "../../text/unprintable.js";
import { element, icon, setLabel } from "../dom/dom.js";
import { type Highlight, writeText } from "./line-text.js";
import { mountTree } from "./tree.js";

/** What one row shows. */
export interface LineRow extends Partial<Expander> {
  /** Identifies the row across paints. */
  readonly key: number;
  readonly content: RowContent;
  /** The number in front of the line; undefined while it is unknown. */
  readonly seq?: number | undefined;
  /** The timestamp, formatted. */
  readonly stamp?: string | undefined;
  /** Is it the current line: found, or moved to? */
  readonly current?: boolean | undefined;
  readonly selected?: boolean | undefined;
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
  readonly #onToggle: (key: number) => void;
  #rows = new Map<number, Row>();
  #highlight: Highlight | undefined;

  /** `onToggle`: the user folds or unfolds a row. */
  constructor(onToggle: (key: number) => void) {
    this.#onToggle = onToggle;
    this.element.setAttribute("role", "list");
  }

  get count(): number {
    return this.#rows.size;
  }

  /** Ranges to mark in the texts, from the next paint on. */
  set highlight(highlight: Highlight | undefined) {
    if (highlight === this.#highlight) return;
    this.#highlight = highlight;
    for (const row of this.#rows.values()) row.content = undefined;
  }

  /**
   * Shows these rows, in order. For assistive tools, `first` is the position of the first one among all rows, from 0, and
   * `size` the number of all rows, -1 while that changes.
   */
  paint(rows: readonly LineRow[], first = 0, size = -1): void {
    const before = this.#rows;
    const keys = new Set(rows.map(({ key }) => key));
    for (const [key, row] of before) if (!keys.has(key)) row.element.remove();
    this.#rows = new Map();
    let next = this.element.firstElementChild;
    rows.forEach((wanted, i) => {
      const row = before.get(wanted.key) ?? createRow();
      this.#rows.set(wanted.key, row);
      this.#fill(row, wanted);
      setAttribute(row.element, "aria-posinset", String(first + i + 1));
      setAttribute(row.element, "aria-setsize", String(size));
      if (row.element === next) next = next.nextElementSibling;
      else this.element.insertBefore(row.element, next);
    });
  }

  #fill(row: Row, wanted: LineRow): void {
    const { content, stamp, current, selected, badge, title, tree, fold } = wanted;
    if (row.content === undefined || !isSameContent(row.content, content)) this.#write(row, wanted);
    setData(row.element, "stamp", stamp);
    setData(row.element, "hit", current ? "" : undefined);
    setData(row.element, "chosen", selected ? "" : undefined);
    setData(row.text, "badge", badge && printable(badge)); // the style sheet shows these two
    setData(row.text, "title", title && printable(title));
    this.#showFold(row, wanted);
    showTree(row, tree);
    const isMultiline = content.kind === "record" && content.record.message.includes("\n");
    row.element.classList.toggle("opened", tree !== undefined || (isMultiline && fold === "open"));
  }

  #showFold(row: Row, { key, fold, badge }: LineRow): void {
    setData(row.element, "fold", fold);
    if (fold === undefined) {
      row.fold?.remove();
      row.fold = undefined;
      return;
    }
    if (row.fold === undefined) {
      row.fold = element("button", "fold", icon("chevron"));
      row.fold.type = "button";
      row.fold.tabIndex = -1; // the keyboard folds the current line: see keys.ts
      row.fold.addEventListener("click", () => this.#onToggle(key));
      row.text.before(row.fold);
    }
    const label = `${fold === "open" ? "Fold" : "Unfold"}${badge === undefined ? "" : `: ${badge}`}`;
    setLabel(row.fold, "aria-label", label);
    setAttribute(row.fold, "aria-expanded", String(fold === "open"));
  }

  #write(row: Row, { content, seq }: LineRow): void {
    row.content = content;
    const record = content.kind === "record" ? content.record : undefined;
    row.element.className = `row ${record?.part ? "part" : content.kind}`;
    setData(row.element, "seq", seq === undefined ? undefined : String(seq));
    setData(row.element, "level", record?.level);
    setData(row.element, "source", record?.source);
    writeText(row.text, textOf(content), content.kind === "note" ? undefined : this.#highlight);
  }
}

function textOf(content: RowContent): string {
  if (content.kind === "record") return content.record.message;
  return content.kind === "pending" ? "" : content.text;
}

function isSameContent(a: RowContent, b: RowContent): boolean {
  if (a.kind === "record") return b.kind === "record" && a.record === b.record;
  return a.kind === b.kind && textOf(a) === textOf(b);
}

function showTree(row: Row, tree: Tree | undefined): void {
  if (tree === row.tree) return;
  row.element.querySelector(".tree")?.remove();
  row.tree = tree;
  if (tree !== undefined) mountTree(row.element, tree);
}

function createRow(): Row {
  const text = element("span", "text");
  const row = element("div", "row", text);
  row.setAttribute("role", "listitem");
  return { element: row, text, content: undefined, fold: undefined, tree: undefined };
}

function setAttribute(target: HTMLElement, name: string, value: string): void {
  if (target.getAttribute(name) !== value) target.setAttribute(name, value);
}

function setData(target: HTMLElement, name: string, value: string | undefined): void {
  if (target.dataset[name] === value) return;
  if (value === undefined) delete target.dataset[name];
  else target.dataset[name] = value;
}
