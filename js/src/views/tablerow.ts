// One workload as a row of the table, and the buttons for what one can do with it. DOM only: it shows what it is told and
// reports clicks. Text of workloads enters as textContent.

import { ago, commandOf, elapsed, ending, stateBadge, thousands } from "../core/format.js";
import { isFinal } from "../core/types.js";
import { errorsOf, type Listed, runningStep } from "../core/workloads.js";
import { button, element, icon, setData, setIcon, setText } from "./dom.js";

export type Act = "cancel" | "again" | "command" | "id" | "tab" | "ask" | "remove" | "keep";

export interface RowModel {
  readonly job: Listed;
  /** Now in the server's time. */
  readonly now: number;
  /** New, or changed a moment ago. */
  readonly fresh: boolean;
  readonly open: boolean;
  /** The one that the keyboard is on. */
  readonly current: boolean;
  /** Is it to be deleted? That is asked in its place. */
  readonly asking: boolean;
  readonly cancelling: boolean;
  /** Can its log be opened in a place of its own? */
  readonly tabs: boolean;
}

/** Heads of the columns, and how the cells below are called. */
const COLUMNS = [
  ["open", ""],
  ["state", "State"],
  ["name", "Name"],
  ["step", "Step"],
  ["last", "Last line"],
  ["errors", "Errors"],
  ["lines", "Lines"],
  ["duration", "Duration"],
  ["when", "Started"],
] as const;

type Column = (typeof COLUMNS)[number][0] | "acts";

function cell(column: Column, ...children: Node[]): HTMLElement {
  const made = element("div", `cell c-${column}`, ...children);
  made.setAttribute("role", column === "name" ? "rowheader" : "gridcell");
  return made;
}

export class TableRow {
  readonly element: HTMLElement;
  readonly #sign = icon("ring", "sign");
  readonly #label = element("span", "label");
  readonly #exit = element("span", "exit");
  readonly #cells: { readonly [column in Column]: HTMLElement };
  readonly #buttons: { readonly [act in Act]: HTMLButtonElement };
  readonly #act: (act: Act) => void;

  constructor(id: string, act: (act: Act) => void) {
    this.#act = act;
    const acts = element("div", "acts");
    const sure = element("div", "sure", element("span", "question", "Delete with its log?"));
    const make = (name: Act, title: string, sign: Parameters<typeof icon>[0], label = "") =>
      button(`act ${name}`, label, title, () => this.#act(name), sign);
    this.#buttons = {
      cancel: make("cancel", "Cancel", "stop"),
      again: make("again", "Run again", "retry"),
      command: make("command", "Copy command", "copy"),
      id: make("id", "Copy id", "hash"),
      tab: make("tab", "Open the log in a tab", "tab"),
      ask: make("ask", "Delete", "trash"),
      remove: make("remove", "Delete this workload and its log", "trash", "Delete"),
      keep: make("keep", "Keep it", "slash", "Keep"),
    };
    const { cancel, again, command, id: copyId, tab, ask, remove, keep } = this.#buttons;
    acts.append(cancel, again, command, copyId, tab, ask);
    sure.append(remove, keep);
    this.#cells = {
      open: cell("open", icon("chevron")),
      state: cell("state", this.#sign, element("span", "word", this.#label, this.#exit)),
      name: cell("name"),
      step: cell("step"),
      last: cell("last"),
      errors: cell("errors", icon("cross", "mark"), element("span", "number")),
      lines: cell("lines"),
      duration: cell("duration"),
      when: cell("when"),
      acts: cell("acts", acts, sure),
    };
    this.element = element("div", "row", ...Object.values(this.#cells));
    this.element.setAttribute("role", "row");
    this.element.setAttribute("aria-level", "1");
    this.element.dataset["id"] = id;
    this.element.dataset["lmSuppressShortcuts"] = "true";
    for (const one of Object.values(this.#buttons)) one.dataset["lmSuppressShortcuts"] = "true";
  }

  update(model: RowModel): void {
    const { job } = model;
    this.#paintState(model);
    setText(this.#cells.name, job.name || commandOf(job) || job.id);
    const tags = Object.entries(job.tags ?? {}).map(([name, value]) => `${name}=${value}`);
    setTitle(this.#cells.name, [job.name, commandOf(job), job.id, ...tags].filter(Boolean).join("\n"));
    const step = runningStep(job);
    setText(this.#cells.step, step);
    setTitle(this.#cells.step, step);
    const last = plain(job.error && isFinal(job.state) && job.lines === 0 ? job.error : (job.last_line ?? ""));
    setText(this.#cells.last, last);
    setTitle(this.#cells.last, last);
    const errors = errorsOf(job);
    setText(this.#cells.errors.lastElementChild as HTMLElement, errors === 0 ? "" : thousands(errors));
    setTitle(this.#cells.errors, errors === 0 ? "" : errors === 1 ? "1 error" : `${thousands(errors)} errors`);
    setData(this.#cells.errors, "none", String(errors === 0));
    setText(this.#cells.lines, thousands(job.lines));
    setTitle(this.#cells.lines, job.lines === 1 ? "1 line" : `${thousands(job.lines)} lines`);
    setText(this.#cells.duration, elapsed(job, model.now));
    setText(this.#cells.when, ago(Math.max(0, model.now - job.created)));
    setTitle(this.#cells.when, new Date(job.created).toLocaleString());
    this.#paintButtons(model);
  }

  focusOn(act: Act): void {
    this.#buttons[act].focus();
  }

  #paintState({ job, fresh, open, current, asking }: RowModel): void {
    const row = this.element;
    const { tone, sign, label } = stateBadge(job.state);
    setData(row, "state", job.state);
    setData(row, "tone", tone);
    setData(row, "fresh", String(fresh));
    setData(row, "open", String(open));
    setData(row, "asking", String(asking));
    row.setAttribute("aria-expanded", String(open));
    row.tabIndex = current ? 0 : -1;
    setIcon(this.#sign, sign);
    setText(this.#label, label);
    setText(this.#exit, job.state === "failed" ? ending(job) : "");
    setTitle(this.#cells.state, [label, ending(job)].filter(Boolean).join(", "));
  }

  #paintButtons({ job, current, asking, cancelling, tabs }: RowModel): void {
    const final = isFinal(job.state);
    const { cancel, again, tab, ask, command } = this.#buttons;
    cancel.hidden = final;
    cancel.disabled = cancelling;
    ask.hidden = !final;
    // What has no command was not started by the server.
    again.hidden = command.hidden = commandOf(job) === "";
    tab.hidden = !tabs;
    for (const one of Object.values(this.#buttons)) one.tabIndex = current ? 0 : -1;
    const [acts, sure] = [...this.#cells.acts.children] as HTMLElement[];
    if (acts !== undefined) acts.hidden = asking;
    if (sure !== undefined) sure.hidden = !asking;
  }
}

/** The heads of the columns, as a row of the table. */
export function heads(): HTMLElement {
  const cells = [...COLUMNS, ["acts", "Actions"] as const].map(([column, label]) => {
    const made = element("div", `head c-${column}`, element("span", "label", label || "Open"));
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

/** Colours are the log's business. */
function plain(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: SGR begins with one
  return text.replace(/\x1b\[[0-9;:]*m/g, "");
}

function setTitle(target: HTMLElement, title: string): void {
  if (target.title !== title) target.title = title;
}
