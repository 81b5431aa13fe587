// The workload table: rows, inline logs and actions. Wired to an injected source; table-view.ts owns appearance and
// lifetime. DOM only: no fetch, no widget.

import type { LogSource } from "../../protocol/log-source.js";
import type { WorkloadState } from "../../protocol/types.js";
import type { ListedWorkload, WorkloadsSource } from "../../protocol/workloads-source.js";
import { STATES, WorkloadFilter } from "../../tables/workloads/workload-filter.js";
import { Workloads } from "../../tables/workloads/workloads.js";
import { stateBadge, thousands } from "../../text/format.js";
import { element, setText } from "../dom/dom.js";
import type { RowKind } from "../table/table-body.js";
import type { RowAppearance } from "../table/table-cells.js";
import type { Layout, TableContent, TableDefinition, TableSize } from "../table/table-definition.js";
import { TableView } from "../table/table-view.js";
import { InlineLogs } from "./inline-logs.js";
import { WorkloadActions } from "./workload-actions.js";
import { COLUMNS, type RowModel, type WorkloadAction, WorkloadRow } from "./workload-row.js";
import css from "./workloads.css?inline";

/** Additional height of an open row: in the narrow layout its buttons have a third line. */
const OPEN_PX = { wide: 0, narrow: 26 };

export interface TableOptions extends TableSize {
  /** States of the initial filter; empty: all. */
  readonly states?: ReadonlySet<WorkloadState>;
  /** Maximum number of rows; 0: all. */
  readonly limit?: number;
  /** Opens a log in a tab, where there are tabs. */
  readonly openTab?: ((job: ListedWorkload) => void) | undefined;
}

export interface Table {
  /** Closes the stream while the view is hidden; known rows stay. */
  suspend(): void;
  resume(): void;
  dispose(): void;
}

export function mountTable(
  host: HTMLElement,
  source: WorkloadsSource,
  logOf: (id: string) => LogSource,
  options: TableOptions = {},
): Table {
  const { view } = new WorkloadTable(host, source, logOf, options);
  view.start();
  return view;
}

class WorkloadTable implements TableDefinition<RowModel, WorkloadRow, WorkloadState> {
  readonly name = "workloads";
  readonly label = "Workloads";
  readonly noun = "workload";
  readonly begin = ["Start one from a notebook:", 'from jupyter_logstream import run\nrun("python train.py")'] as const;
  readonly css = css;
  readonly widePx = 720;
  readonly bar = {
    label: "Filter by state",
    values: STATES,
    badgeOf: stateBadge,
    searches: "name, command, id, tag, machine or last line",
  };
  readonly rows: RowKind<RowModel, WorkloadRow>;
  readonly list: Workloads;
  readonly filter: WorkloadFilter;
  readonly after: readonly HTMLElement[];
  readonly view: TableView<RowModel, WorkloadRow, WorkloadState>;
  /** The last result of an action, for screen readers. */
  readonly #status = element("div", "said");
  readonly #logs: InlineLogs;
  readonly #actions: WorkloadActions;
  readonly #tabs: boolean;

  constructor(host: HTMLElement, source: WorkloadsSource, logOf: (id: string) => LogSource, options: TableOptions) {
    const { states, limit, openTab } = options;
    const changed = () => this.view.changed();
    this.list = new Workloads(source, changed);
    this.filter = new WorkloadFilter(states, limit);
    this.rows = {
      label: "Workloads",
      columns: COLUMNS,
      row: (id) => new WorkloadRow(id, (act) => this.promptDelete(id, act)),
    };
    this.#logs = new InlineLogs(logOf);
    this.#actions = new WorkloadActions(source, { openTab, changed, focus: (id, act) => this.#focus(id, act) });
    this.#tabs = openTab !== undefined;
    this.#status.setAttribute("role", "status");
    this.after = [this.#status];
    this.view = new TableView(host, this, options);
  }

  open(): void {
    this.list.open();
    this.#logs.resumeViews();
  }

  close(): void {
    this.list.close();
    this.#logs.suspendViews();
  }

  toggle(id: string): void {
    const job = this.list.get(id);
    if (job !== undefined) this.#logs.toggle(job);
  }

  promptDelete(id: string, act: WorkloadAction): void {
    this.#actions.act(act, this.list.get(id));
  }

  paint(layout: Layout): TableContent<WorkloadState> {
    const { list, filter } = this;
    this.#logs.keep((id) => list.get(id) !== undefined);
    const below = this.#logs.all;
    const ids = filter.choose(list, below);
    setText(this.#status, this.#actions.message);
    return {
      ...{ ids, below, openHeight: OPEN_PX[layout], complete: list.complete, trouble: this.#actions.error },
      count: (state) => list.count(state),
      more:
        filter.left > 0
          ? `Showing the newest ${thousands(ids.length)} of ${thousands(ids.length + filter.left)} workloads`
          : "",
    };
  }

  model(id: string, look: RowAppearance): RowModel {
    const job = this.list.get(id) as ListedWorkload;
    const { confirming } = this.#actions;
    return {
      ...look,
      job,
      confirming: confirming === id,
      cancelling: this.#actions.isCancelling(job),
      tabs: this.#tabs,
    };
  }

  /** The buttons of a row change when a deletion is requested; they exist after a paint. */
  #focus(id: string, act: "remove" | undefined): void {
    this.view.paint();
    if (act === undefined) this.view.body.focusRow(id);
    else this.view.body.drawn(id)?.focusOn(act);
  }
}
