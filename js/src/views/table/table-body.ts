// Virtual rows of a table: the visible rows, those with an open panel and the focused one are in the DOM. Also
// scroll anchoring, keyboard and focus. DOM only; the caller defines the content of a row.

import { RowOffsets } from "../../tables/row-offsets.js";
import { element } from "../dom/dom.js";
import { type Columns, columnHeads } from "./table-cells.js";
import { type DeletePrompt, keyAction } from "./table-keys.js";

/** Rows are drawn this far beyond both edges. */
const OVERSCAN = 200;

export interface BodyActions {
  act(id: string, act: DeletePrompt): void;
  toggle(id: string): void;
  search(): void;
  /** Something changed that is painted. */
  changed(): void;
}

/** A panel below a row. */
export interface RowPanel {
  readonly element: HTMLElement;
  readonly height: number;
}

/** The element of a row. */
export interface RowView<Model> {
  readonly element: HTMLElement;
  update(model: Model): void;
}

/** The columns and rows of a table. */
export interface RowKind<Model, View extends RowView<Model>> {
  /** Accessible name of the table. */
  readonly label: string;
  readonly columns: Columns<string>;
  row(id: string): View;
}

export interface BodyModel<Model> {
  /** Ids, newest first. The same array means the same rows. */
  readonly ids: readonly string[];
  readonly rowHeight: number;
  /** Additional height of a row with an open panel: its buttons have a line of their own. */
  readonly openHeight: number;
  /** Open panels by row id. */
  readonly below: ReadonlyMap<string, RowPanel>;
  /** `current`: the row has the keyboard focus. */
  row(id: string, current: boolean): Model;
}

export class TableBody<Model, View extends RowView<Model>> {
  readonly element = element("div", "scroll");
  readonly #kind: RowKind<Model, View>;
  readonly #heads: HTMLElement;
  readonly #content = element("div", "content");
  readonly #actions: BodyActions;
  readonly #rows = new Map<string, View>();
  #ids: readonly string[] = [];
  #index = new Map<string, number>();
  #offsets = new RowOffsets(0, 1);
  #below: ReadonlyMap<string, RowPanel> = new Map();
  /** The row with the keyboard focus; it is always in the DOM. */
  #current: string | undefined;
  /** The newest row when the table was last scrolled to the top. */
  #seen: string | undefined;
  #focusPending = false;
  #hovered = false;
  /** Height of the rows' box and its scroll position, as last read or set. */
  #height = 0;
  #top = 0;
  readonly #observer: ResizeObserver;

  constructor(actions: BodyActions, kind: RowKind<Model, View>) {
    this.#actions = actions;
    this.#kind = kind;
    this.#heads = columnHeads(kind.columns);
    this.element.append(this.#heads, this.#content);
    this.element.setAttribute("role", "treegrid");
    this.element.setAttribute("aria-label", kind.label);
    this.#content.setAttribute("role", "rowgroup");
    const list = this.element;
    list.addEventListener("scroll", () => actions.changed(), { passive: true });
    list.addEventListener("pointerenter", () => this.#hover(true));
    list.addEventListener("pointerleave", () => this.#hover(false));
    list.addEventListener("click", (event) => this.#onClick(event));
    list.addEventListener("keydown", (event) => this.#onKey(event));
    list.addEventListener("focusin", (event) => this.#onFocus(event));
    this.#observer = new ResizeObserver(() => actions.changed());
    this.#observer.observe(list);
  }

  /** The number of new rows above the visible ones. */
  get news(): number {
    const seen = this.#seen === undefined ? undefined : this.#index.get(this.#seen);
    return seen === undefined ? 0 : Math.min(seen, this.#offsets.at(this.#top));
  }

  dispose(): void {
    this.#observer.disconnect();
  }

  toTop(): void {
    this.element.scrollTop = 0;
    this.#actions.changed();
  }

  /** Focuses a row: the given one, the last focused one, or the first. */
  focusRow(id = this.#current): void {
    const at = Math.max(0, this.#index.get(id ?? "") ?? 0);
    this.#go(at);
  }

  /** The view of a row if it is in the DOM. */
  drawn(id: string): View | undefined {
    return this.#rows.get(id);
  }

  /** Reads the sizes that `paint` needs: see frame-scheduler.ts. */
  read(): void {
    // The column headers stay above the rows while these scroll.
    this.#height = this.element.clientHeight - this.#heads.offsetHeight;
    this.#top = this.element.scrollTop;
  }

  paint(model: BodyModel<Model>): void {
    const anchor = this.#anchor();
    this.#onFrame(model);
    this.element.ariaRowCount = String(this.#ids.length + 1);
    this.#content.style.height = `${this.#offsets.height}px`;
    this.#hold(anchor);
    const top = Math.max(0, Math.min(this.#top, this.#offsets.height - this.#height)); // rows can have been removed
    const { from, to } = this.#offsets.between(top - OVERSCAN, top + this.#height + OVERSCAN);
    if (top < model.rowHeight / 2) this.#seen = this.#ids[0];
    this.#sync(this.#visibleRows(from, to), model);
  }

  // --- offsets and scrolling ---

  #onFrame(model: BodyModel<Model>): void {
    if (model.ids !== this.#ids) {
      const before = this.#index.get(this.#current ?? "") ?? 0;
      this.#ids = model.ids;
      this.#index = new Map(model.ids.map((id, at) => [id, at]));
      // The focus moves to the row that takes the place of a removed one.
      if (!this.#index.has(this.#current ?? "")) this.#current = this.#ids[Math.min(before, this.#ids.length - 1)];
    }
    this.#below = model.below;
    const below = new Map<number, number>();
    for (const [id, { height }] of model.below) {
      const at = this.#index.get(id);
      if (at !== undefined) below.set(at, height + model.openHeight);
    }
    this.#offsets = new RowOffsets(this.#ids.length, model.rowHeight, below);
  }

  /** The first visible row and its distance from the top, if the visible rows must not move. */
  #anchor(): { readonly id: string; readonly offset: number } | undefined {
    const isRead = this.#below.size > 0 || this.#hovered || this.#hasFocus(this.element);
    if (this.#top <= 0 && !isRead) return undefined;
    const at = this.#offsets.at(this.#top);
    const id = this.#ids[at];
    return id === undefined ? undefined : { id, offset: this.#top - this.#offsets.top(at) };
  }

  #hold(anchor: { readonly id: string; readonly offset: number } | undefined): void {
    const at = this.#index.get(anchor?.id ?? "");
    if (anchor === undefined || at === undefined) return;
    const top = this.#offsets.top(at) + anchor.offset;
    if (Math.abs(top - this.#top) < 1) return;
    this.element.scrollTop = top; // a layout, but only where rows came or went above the visible ones
    this.#top = this.element.scrollTop;
  }

  #hasFocus(within: HTMLElement): boolean {
    const root = this.element.getRootNode();
    return root instanceof ShadowRoot && within.contains(root.activeElement);
  }

  #hover(on: boolean): void {
    this.#hovered = on;
  }

  // --- rows ---

  #visibleRows(from: number, to: number): number[] {
    const wanted = new Set<number>();
    for (let at = from; at < to; at++) wanted.add(at);
    for (const id of [...this.#below.keys(), this.#current ?? ""]) {
      const at = this.#index.get(id);
      if (at !== undefined) wanted.add(at);
    }
    return [...wanted].sort((a, b) => a - b);
  }

  /** Updates the DOM to these rows in their order. Rows that stay are not moved: a log in a panel keeps its scroll position and focus. */
  #sync(wanted: readonly number[], model: BodyModel<Model>): void {
    const ids = new Set(wanted.map((at) => this.#ids[at] ?? ""));
    let hadFocus = false;
    for (const [id, row] of this.#rows) {
      if (ids.has(id)) continue;
      hadFocus ||= this.#hasFocus(row.element);
      row.element.remove();
      this.#rows.delete(id);
    }
    let next = this.#content.firstElementChild;
    const place = (node: HTMLElement, top: number) => {
      if (node === next) next = node.nextElementSibling;
      else this.#content.insertBefore(node, next);
      const px = `${top}px`;
      if (node.style.top !== px) node.style.top = px;
    };
    for (const at of wanted) {
      const id = this.#ids[at];
      if (id === undefined) continue;
      const top = this.#offsets.top(at);
      place(this.#paintRow(id, at, model), top);
      const below = this.#below.get(id);
      if (below !== undefined) place(below.element, top + model.rowHeight + model.openHeight);
    }
    while (next !== null) {
      const rest = next;
      next = next.nextElementSibling;
      rest.remove(); // the panel of a row that was closed or removed
    }
    if (hadFocus || this.#focusPending) this.#rows.get(this.#current ?? "")?.element.focus({ preventScroll: true });
    this.#focusPending = false;
  }

  #paintRow(id: string, at: number, model: BodyModel<Model>): HTMLElement {
    let row = this.#rows.get(id);
    if (row === undefined) {
      row = this.#kind.row(id);
      this.#rows.set(id, row);
    }
    row.element.ariaRowIndex = String(at + 2); // the first one is the column headers
    row.update(model.row(id, id === this.#current));
    return row.element;
  }

  // --- pointer, keyboard, focus ---

  #rowOf(target: EventTarget | null): HTMLElement | null {
    return target instanceof Element ? target.closest<HTMLElement>(".row") : null;
  }

  #onFocus(event: FocusEvent): void {
    const id = this.#rowOf(event.target)?.dataset["id"] ?? this.#panelOwner(event.target);
    if (id === undefined || id === this.#current) return;
    this.#current = id;
    this.#actions.changed();
  }

  /** The row whose panel contains the target. */
  #panelOwner(target: EventTarget | null): string | undefined {
    for (const [id, { element }] of this.#below) if (target instanceof Node && element.contains(target)) return id;
    return undefined;
  }

  #onClick(event: MouseEvent): void {
    const row = this.#rowOf(event.target);
    if (row === null || (event.target as Element).closest("button") !== null) return;
    const id = row.dataset["id"] ?? "";
    const selection = (row.getRootNode() as { getSelection?: () => Selection | null }).getSelection?.();
    if (selection?.isCollapsed === false) return; // the user selected text of the row
    this.#actions.toggle(id);
  }

  #onKey(event: KeyboardEvent): void {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const row = this.#rowOf(event.target);
    const isDone =
      row === null ? this.#onKeyBelow(event) : this.#onKeyInRow(event, row.dataset["id"] ?? "", event.target === row);
    if (!isDone) return;
    event.preventDefault();
    event.stopPropagation();
  }

  /** Escape moves the focus from a log to its row. */
  #onKeyBelow(event: KeyboardEvent): boolean {
    const id = this.#panelOwner(event.target);
    if (event.key !== "Escape" || id === undefined) return false;
    this.focusRow(id);
    return true;
  }

  #onKeyInRow(event: KeyboardEvent, id: string, isRow: boolean): boolean {
    const page = Math.floor(this.#height / this.#offsets.rowHeight) - 1;
    const meant = keyAction(event.key, { isRow, isOpen: this.#below.has(id), page });
    if (meant === undefined) return false;
    if (typeof meant === "number") this.#go((this.#index.get(id) ?? 0) + meant);
    else if (meant === "toggle") this.#actions.toggle(id);
    else if (meant === "search") this.#actions.search();
    else this.#actions.act(id, meant);
    return true;
  }

  #go(to: number): void {
    const at = Math.min(Math.max(0, to), this.#ids.length - 1);
    this.#current = this.#ids[at];
    if (this.#current === undefined) return;
    this.#reveal(at);
    const row = this.#rows.get(this.#current);
    row?.element.focus({ preventScroll: true });
    this.#focusPending = row === undefined; // as soon as it is in the DOM
    this.#actions.changed();
  }

  #reveal(at: number): void {
    const { scrollTop } = this.element;
    const [top, height] = [this.#offsets.top(at), this.#offsets.rowHeight];
    if (top < scrollTop) this.element.scrollTop = top;
    else if (top + height > scrollTop + this.#height) this.element.scrollTop = top + height - this.#height;
  }
}
