// One workload as a row of the table, with its buttons. DOM only; reports clicks. Text of workloads enters as
// textContent.

import { isFinal } from "../../protocol/types.js";
import type { ListedWorkload } from "../../protocol/workloads-source.js";
import { errorsOf, runningStep } from "../../tables/workloads/workloads.js";
import { withoutSequences } from "../../text/ansi.js";
import {
  ago,
  commandOf,
  elapsed,
  ending,
  resultText,
  stateSummary,
  thousands,
  workloadBadge,
} from "../../text/format.js";
import { lostLink, placeOf } from "../../text/place.js";
import { button, element, icon, setData, setText, setTitle } from "../dom/dom.js";
import type { RowView } from "../table/table-body.js";
import { type RowAppearance, TableCells } from "../table/table-cells.js";

export type WorkloadAction = "cancel" | "again" | "command" | "id" | "tab" | "ask" | "remove" | "keep";

export interface RowModel extends RowAppearance {
  readonly job: ListedWorkload;
  /** Whether its deletion waits for confirmation. */
  readonly confirming: boolean;
  readonly cancelling: boolean;
  /** Whether its log can be opened in a tab. */
  readonly tabs: boolean;
}

/** The columns and their headers. */
export const COLUMNS = [
  ["open", "Open"],
  ["state", "State"],
  ["name", "Name"],
  ["step", "Step"],
  ["last", "Last line"],
  ["errors", "Errors"],
  ["lines", "Lines"],
  ["duration", "Duration"],
  ["when", "Started"],
  ["acts", "Actions"],
] as const;

type Column = (typeof COLUMNS)[number][0];

export class WorkloadRow implements RowView<RowModel> {
  readonly element: HTMLElement;
  readonly #cells: TableCells<Column>;
  readonly #errors = element("span", "number");
  readonly #name = element("span", "text");
  readonly #place = element("span", "place");
  readonly #actions = element("div", "acts");
  /** Replaces the buttons while a deletion waits for confirmation. */
  readonly #sure = element("div", "sure", element("span", "question", "Delete with its log?"));
  readonly #buttons: { readonly [act in WorkloadAction]: HTMLButtonElement };

  constructor(id: string, act: (act: WorkloadAction) => void) {
    const make = (name: WorkloadAction, title: string, sign: Parameters<typeof icon>[0], label = "") =>
      button(`act ${name}`, label, title, () => act(name), sign);
    this.#buttons = {
      cancel: make("cancel", "Cancel", "stop"),
      again: make("again", "Run again", "retry"),
      command: make("command", "Copy command", "copy"),
      id: make("id", "Copy id", "hash"),
      tab: make("tab", "Open the log in a tab", "tab"),
      ask: make("ask", "Delete", "trash"),
      remove: make("remove", "Delete this workload and its log", "trash", "Delete"),
      keep: make("keep", "Keep the workload", "slash", "Keep"),
    };
    const { remove, keep, ...acts } = this.#buttons;
    this.#actions.append(...Object.values(acts));
    this.#sure.append(remove, keep);
    for (const one of Object.values(this.#buttons)) one.dataset["lmSuppressShortcuts"] = "true";
    this.#cells = new TableCells<Column>(id, COLUMNS, "name");
    this.#cells.of("name").append(this.#name, this.#place);
    this.#cells.of("errors").append(icon("cross", "mark"), this.#errors);
    this.#cells.of("acts").append(this.#actions, this.#sure);
    this.element = this.#cells.element;
  }

  update(model: RowModel): void {
    const { job, now } = model;
    const cells = this.#cells;
    this.#paintState(model);
    const tags = Object.entries(job.tags ?? {}).map(([name, value]) => `${name}=${value}`);
    const place = placeOf(job);
    const known = [job.name, commandOf(job), job.id, place && `on ${place}`, ...tags].filter(Boolean).join("\n");
    setText(this.#name, job.name || commandOf(job) || job.id);
    setText(this.#place, place);
    setTitle(cells.of("name"), known);
    const step = runningStep(job);
    cells.write("step", step, step);
    const last = lastOf(job, now);
    cells.write("last", last, last);
    this.#paintErrors(errorsOf(job));
    cells.write("lines", thousands(job.lines), job.lines === 1 ? "1 line" : `${thousands(job.lines)} lines`);
    cells.write("duration", elapsed(job, now));
    cells.write("when", ago(Math.max(0, now - job.created)), new Date(job.created).toLocaleString());
    this.#paintButtons(model);
  }

  focusOn(act: WorkloadAction): void {
    this.#buttons[act].focus();
  }

  #paintState(model: RowModel): void {
    const { job, confirming } = model;
    const badge = workloadBadge(job);
    const title = stateSummary(job);
    const exit = job.state === "failed" ? ending(job) : "";
    this.#cells.paint({ ...badge, state: job.state, exit, title }, model);
    setData(this.element, "asking", String(confirming));
  }

  #paintErrors(errors: number): void {
    const cell = this.#cells.of("errors");
    setText(this.#errors, errors === 0 ? "" : thousands(errors));
    setTitle(cell, errors === 0 ? "" : errors === 1 ? "1 error" : `${thousands(errors)} errors`);
    setData(cell, "none", String(errors === 0));
  }

  #paintButtons({ job, current, confirming, cancelling, tabs }: RowModel): void {
    const final = isFinal(job.state);
    const { cancel, again, tab, ask, command } = this.#buttons;
    cancel.hidden = final;
    cancel.disabled = cancelling || job.link?.cancel_pending === true;
    ask.hidden = !final;
    // A workload without a command was not started by the server.
    again.hidden = command.hidden = commandOf(job) === "";
    tab.hidden = !tabs;
    for (const one of Object.values(this.#buttons)) one.tabIndex = current ? 0 : -1;
    this.#actions.hidden = confirming;
    this.#sure.hidden = !confirming;
  }
}

/** What is last known of a workload: a lost connection, its result, its last line; why it waits or failed without one. */
function lastOf(job: ListedWorkload, now: number): string {
  const why = job.lines > 0 ? "" : isFinal(job.state) ? job.error : job.state === "queued" ? job.reason : "";
  return lostLink(job, now) || resultText(job) || withoutSequences(why || (job.last_line ?? ""));
}
