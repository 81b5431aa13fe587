// The table of all workloads: what a row is of, the logs that are open in it, and what one can do with a workload. Wired to an
// injected source; how a table looks and lives is tableview.ts. DOM only: no fetch, no widget.

import type { LogSource } from "../../protocol/log-source.js";
import type { WorkloadState } from "../../protocol/types.js";
import type { Listed, WorkloadsSource } from "../../protocol/workloads-source.js";
import { Selection, STATES } from "../../tables/workloads/workload-filter.js";
import { Workloads } from "../../tables/workloads/workloads.js";
import { stateBadge } from "../../text/format.js";
import { element, setText } from "../dom/dom.js";
import type { RowKind } from "../table/table-body.js";
import type { RowLook } from "../table/table-cells.js";
import type { Layout, Painted, TableOf, TableSize } from "../table/table-definition.js";
import { TableView } from "../table/table-view.js";
import { OpenLogs } from "./inline-logs.js";
import { Acts } from "./workload-actions.js";
import { type Act, COLUMNS, type RowModel, TableRow } from "./workload-row.js";
import css from "./workloads.css?inline";

/** What an open row is higher: where there are no columns its buttons are in a third line. */
const OPEN_PX = { wide: 0, narrow: 26 };

export interface TableOptions extends TableSize {
  /** What is shown at first; empty: all. */
  readonly states?: ReadonlySet<WorkloadState>;
  /** So many of the newest are shown; 0: all. */
  readonly limit?: number;
  /** Opens a log in a place of its own, where there is one. */
  readonly openTab?: ((job: Listed) => void) | undefined;
}

export interface Table {
  /** Lets go of the stream while nobody looks; what is known stays. */
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

class WorkloadTable implements TableOf<RowModel, TableRow, WorkloadState> {
  readonly name = "workloads";
  readonly label = "Workloads";
  readonly noun = "workload";
  readonly begin = ["Start one from a notebook:", 'from jupyter_logstream import run\nrun("python train.py")'] as const;
  readonly css = css;
  readonly widePx = 720;
  readonly bar = {
    label: "Show by state",
    values: STATES,
    badgeOf: stateBadge,
    searches: "name, command, id, tag or last line",
  };
  readonly rows: RowKind<RowModel, TableRow>;
  readonly list: Workloads;
  readonly picks: Selection;
  readonly after: readonly HTMLElement[];
  readonly view: TableView<RowModel, TableRow, WorkloadState>;
  /** What has been done, for those who can't see it. */
  readonly #said = element("div", "said");
  readonly #logs: OpenLogs;
  readonly #acts: Acts;
  readonly #tabs: boolean;

  constructor(host: HTMLElement, source: WorkloadsSource, logOf: (id: string) => LogSource, options: TableOptions) {
    const { states, limit, openTab } = options;
    const changed = () => this.view.changed();
    this.list = new Workloads(source, changed);
    this.picks = new Selection(states, limit);
    this.rows = {
      label: "Workloads",
      columns: COLUMNS,
      row: (id) => new TableRow(id, (act) => this.ask(id, act)),
    };
    this.#logs = new OpenLogs(logOf);
    this.#acts = new Acts(source, { openTab, changed, focus: (id, act) => this.#focus(id, act) });
    this.#tabs = openTab !== undefined;
    this.#said.setAttribute("role", "status");
    this.after = [this.#said];
    this.view = new TableView(host, this, options);
  }

  open(): void {
    this.list.open();
    this.#logs.goOn();
  }

  close(): void {
    this.list.close();
    this.#logs.letGo();
  }

  toggle(id: string): void {
    const job = this.list.get(id);
    if (job !== undefined) this.#logs.toggle(job);
  }

  ask(id: string, act: Act): void {
    this.#acts.act(act, this.list.get(id));
  }

  paint(layout: Layout): Painted<WorkloadState> {
    const { list, picks } = this;
    this.#logs.keep((id) => list.get(id) !== undefined);
    const below = this.#logs.all;
    const ids = picks.choose(list, below);
    setText(this.#said, this.#acts.said);
    return {
      ...{ ids, below, openHeight: OPEN_PX[layout], complete: list.complete, trouble: this.#acts.trouble },
      count: (state) => list.count(state),
      more: picks.left > 0 ? `The newest ${ids.length}; ${picks.left} older ones are not shown` : "",
    };
  }

  model(id: string, look: RowLook): RowModel {
    const job = this.list.get(id) as Listed;
    const { asking } = this.#acts;
    return { ...look, job, asking: asking === id, cancelling: this.#acts.isCancelling(job), tabs: this.#tabs };
  }

  /** The buttons of a row change with what is asked: they are there after a paint. */
  #focus(id: string, act: "remove" | undefined): void {
    this.view.paint();
    if (act === undefined) this.view.body.focusRow(id);
    else this.view.body.drawn(id)?.focusOn(act);
  }
}
