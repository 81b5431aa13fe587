// The interface between a table view and the table that it shows: rows, filter, list, panels. Types only.

import type { Status } from "../../protocol/types.js";
import type { TableFilter } from "../../tables/table-filter.js";
import type { BarKind } from "./table-bar.js";
import type { RowKind, RowPanel, RowView } from "./table-body.js";
import type { RowAppearance } from "./table-cells.js";
import type { DeletePrompt } from "./table-keys.js";

/** Columns, or two lines per row. */
export type Layout = "wide" | "narrow";

export interface TableSize {
  /** Height of the whole view in px; 0: as tall as its rows, up to a maximum. */
  readonly height?: number;
  /** As tall as its container. */
  readonly fill?: boolean;
}

/** The source of the rows. */
export interface RowList {
  readonly status: Status;
  /** Number of all rows, without the filter. */
  readonly size: number;
  readonly serverNow: number;
  readonly isOpen: boolean;
  /** When a row arrived or changed (Unix ms); 0: not recently. */
  changedAt(id: string): number;
  retry(): void;
}

/** What the view paints now. */
export interface TableContent<Value extends string> {
  /** Ids, newest first. The same array means the same rows. */
  readonly ids: readonly string[];
  /** Open panels by row id. */
  readonly below: ReadonlyMap<string, RowPanel>;
  /** Additional height of a row with an open panel, in px. */
  readonly openHeight: number;
  /** The number of rows with a value of the filter. */
  readonly count: (value: Value) => number;
  readonly polling?: boolean;
  /** Whether all rows of the server are known. */
  readonly complete: boolean;
  /** The last error as a sentence; "": none. */
  readonly trouble: string;
  /** A sentence about matching rows that are not shown; "": all are. */
  readonly more: string;
}

export interface TableDefinition<Model, View extends RowView<Model>, Value extends string> {
  /** `data-logstream` of the host, and a class of the view. */
  readonly name: string;
  /** Accessible name of the view. */
  readonly label: string;
  /** What a row is, in one word. */
  readonly noun: string;
  /** How to create the first row: a sentence, and code. */
  readonly begin: readonly [string, string];
  /** Styles in addition to those of every table. */
  readonly css: string;
  /** From this width (px) on, a row is one line of columns. */
  readonly widePx: number;
  readonly rows: RowKind<Model, View>;
  /** The filter's controls and its current values. */
  readonly bar: BarKind<Value>;
  readonly filter: TableFilter<Value>;
  readonly list: RowList;
  /** Elements between bar and rows, and below the rows. */
  readonly above?: readonly HTMLElement[];
  readonly after?: readonly HTMLElement[];
  /** Opens the stream, or resumes it; `close` ends it and keeps the known rows. */
  open(): void;
  close(): void;
  /** Opens or closes the panel of a row. */
  toggle(id: string): void;
  /** Asks for confirmation before a row is deleted, if rows can be deleted. */
  promptDelete?(id: string, prompt: DeletePrompt): void;
  /** Paints the table's own elements and returns what the view paints. */
  paint(layout: Layout): TableContent<Value>;
  /** The content of a row of `ids`. */
  model(id: string, look: RowAppearance): Model;
}
