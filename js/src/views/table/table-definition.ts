// What a view of a table is told by the table it shows: what a row is of, where the rows come from, what may be chosen, and
// what is to be seen of it now. Types only.

import type { Status } from "../../protocol/types.js";
import type { TableFilter } from "../../tables/table-filter.js";
import type { BarKind } from "./table-bar.js";
import type { RowKind, RowPanel, RowView } from "./table-body.js";
import type { RowAppearance } from "./table-cells.js";
import type { DeletePrompt } from "./table-keys.js";

/** Columns, or two lines a row. */
export type Layout = "wide" | "narrow";

export interface TableSize {
  /** Height of the whole view in px; 0: as tall as its rows, up to a bound. */
  readonly height?: number;
  /** As tall as the place it is put in. */
  readonly fill?: boolean;
}

/** Where the rows come from. */
export interface RowList {
  readonly status: Status;
  /** Of all rows, chosen or not. */
  readonly size: number;
  readonly serverNow: number;
  readonly isOpen: boolean;
  /** When a row came or changed; 0: long ago. */
  changedAt(id: string): number;
  retry(): void;
}

/** What is to be seen of it now. */
export interface TableContent<Value extends string> {
  /** Ids, newest first. The same array as before: the same rows. */
  readonly ids: readonly string[];
  /** What lies open below rows, by id. */
  readonly below: ReadonlyMap<string, RowPanel>;
  /** An open row is so much higher, in px. */
  readonly openHeight: number;
  /** How many rows there are of a value that may be chosen. */
  readonly count: (value: Value) => number;
  readonly polling?: boolean;
  /** Is it known that there are no other rows? */
  readonly complete: boolean;
  /** What went wrong, in a sentence. */
  readonly trouble: string;
  /** A sentence about rows that are not shown; "": all are. */
  readonly more: string;
}

export interface TableDefinition<Model, View extends RowView<Model>, Value extends string> {
  /** `data-logstream` of the host, and a class of the view. */
  readonly name: string;
  /** The view, to those who can't see it. */
  readonly label: string;
  /** What a row is of, in a word. */
  readonly noun: string;
  /** How one comes to have a first row: a sentence, and code. */
  readonly begin: readonly [string, string];
  /** Over the look of every table. */
  readonly css: string;
  /** From this width on a row is one line of columns. */
  readonly widePx: number;
  readonly rows: RowKind<Model, View>;
  /** What may be chosen, and what has been. */
  readonly bar: BarKind<Value>;
  readonly filter: TableFilter<Value>;
  readonly list: RowList;
  /** What stands between bar and rows, and below them. */
  readonly above?: readonly HTMLElement[];
  readonly after?: readonly HTMLElement[];
  /** Begins to listen, or goes on; `close` lets go, and keeps what is known. */
  open(): void;
  close(): void;
  /** Opens what lies below a row, or closes it. */
  toggle(id: string): void;
  /** Where a row can be deleted. */
  ask?(id: string, what: DeletePrompt): void;
  /** Paints what is its own, and says what the view is to paint. */
  paint(layout: Layout): TableContent<Value>;
  /** What a row of `ids` is to show. */
  model(id: string, look: RowAppearance): Model;
}
