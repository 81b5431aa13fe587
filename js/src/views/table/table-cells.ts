// The cells of a table's row, and the column headers. DOM only; the caller defines the columns. Text enters as
// textContent.

import type { Badge } from "../../text/format.js";
import { element, icon, setData, setIcon, setText, setTitle } from "../dom/dom.js";

/** Column names and headers, from left to right. Every table has "open" and "state". */
export type Columns<Column extends string> = readonly (readonly [Column | "open" | "state", string])[];

/** Appearance of a row, independent of its content. */
export interface RowAppearance {
  /** Now, in the server's time (Unix ms). */
  readonly now: number;
  /** New, or changed a moment ago. */
  readonly fresh: boolean;
  readonly open: boolean;
  /** Whether the row has the keyboard focus. */
  readonly current: boolean;
}

/** The state cell of a row. */
export interface RowState extends Omit<Badge, "detail"> {
  readonly state: string;
  /** Stands beside the label. */
  readonly exit: string;
  readonly title: string;
}

export class TableCells<Column extends string> {
  readonly element: HTMLElement;
  readonly #cells: ReadonlyMap<string, HTMLElement>;
  readonly #sign = icon("ring", "sign");
  readonly #label = element("span", "label");
  readonly #exit = element("span", "exit");

  /** `header`: the column that names the row. */
  constructor(id: string, columns: Columns<Column>, header: Column) {
    this.#cells = new Map(
      columns.map(([column]) => {
        const made = element("div", `cell c-${column}`);
        made.setAttribute("role", column === header ? "rowheader" : "gridcell");
        return [column, made];
      }),
    );
    this.of("open").append(icon("chevron"));
    this.of("state").append(this.#sign, element("span", "word", this.#label, this.#exit));
    this.element = element("div", "row", ...this.#cells.values());
    this.element.setAttribute("role", "row");
    this.element.setAttribute("aria-level", "1");
    this.element.dataset["id"] = id;
    this.element.dataset["lmSuppressShortcuts"] = "true";
  }

  of(column: Column | "open" | "state"): HTMLElement {
    return this.#cells.get(column) as HTMLElement;
  }

  /** `title`: a tooltip with the full text. */
  write(column: Column, text: string, title = ""): void {
    const cell = this.of(column);
    setText(cell, text);
    setTitle(cell, title);
  }

  paint({ state, tone, sign, label, exit, title }: RowState, { fresh, open, current }: RowAppearance): void {
    const row = this.element;
    setData(row, "state", state);
    setData(row, "tone", tone);
    setData(row, "fresh", String(fresh));
    setData(row, "open", String(open));
    row.setAttribute("aria-expanded", String(open));
    row.tabIndex = current ? 0 : -1;
    setIcon(this.#sign, sign);
    setText(this.#label, label);
    setText(this.#exit, exit);
    setTitle(this.of("state"), title);
  }
}

/** The column headers as a row of the table. */
export function columnHeads(columns: Columns<string>): HTMLElement {
  const cells = columns.map(([column, label]) => {
    const made = element("div", `head c-${column}`, element("span", "label", label));
    made.setAttribute("role", "columnheader");
    return made;
  });
  const row = element("div", "heads", ...cells);
  row.setAttribute("role", "row");
  row.setAttribute("aria-rowindex", "1");
  const group = element("div", "headgroup", row);
  group.setAttribute("role", "rowgroup");
  return group;
}

/** A panel as a row of the table; its height is fixed, so that nothing moves. */
export function panelRow(cell: HTMLElement, height: number): HTMLElement {
  cell.setAttribute("role", "gridcell");
  const row = element("div", "below", cell);
  row.setAttribute("role", "row");
  row.setAttribute("aria-level", "2");
  row.style.height = `${height}px`;
  return row;
}
