// The bar above a log: state, name, duration, line count, and what one can do. DOM only; it shows what it is told and
// reports clicks. Knows no network.

import { isFinal, type Level, type Status, type Workload } from "../../protocol/types.js";
import { commandOf, elapsed, thousands } from "../../text/format.js";
import { ConnectionBadge } from "../dom/connection-badge.js";
import { button, element, icon, setName, setText, setTitle } from "../dom/dom.js";

export interface HeaderModel {
  readonly job: Workload | undefined;
  readonly status: Status;
  readonly lines: number;
  readonly following: boolean;
  readonly cancelling: boolean;
  readonly levels: ReadonlyMap<Level, number>;
  /** Now in the server's time, for the duration. */
  readonly serverNow: number;
}

export interface HeaderActions {
  retry(): void;
  follow(): void;
  cancel(): void;
  find(): void;
  steps(): void;
  /** Shows the lines of a level, or all again. */
  level(level: Level): void;
  menu(): void;
}

export class Header {
  readonly element: HTMLElement;
  readonly #connected: ConnectionBadge;
  readonly #name = element("span", "name");
  readonly #duration = element("span", "meta duration");
  readonly #count = element("span", "meta count");
  readonly #errors: HTMLButtonElement;
  readonly #warnings: HTMLButtonElement;
  readonly #download = element("a", "download", icon("download"));
  readonly #follow: HTMLButtonElement;
  readonly #cancel: HTMLButtonElement;
  readonly #steps: HTMLButtonElement;
  /** The button that opens the menu. */
  readonly menu: HTMLButtonElement;
  readonly #readOnly: boolean;
  readonly #title: string | undefined;
  /** There is nothing to download. */
  readonly #nothing: boolean;

  /** `title`: of a log that is no workload's; it cannot be cancelled, nor downloaded, and has no end. */
  constructor(actions: HeaderActions, downloadUrl: string, readOnly = false, title?: string) {
    this.#readOnly = readOnly || title !== undefined;
    this.#title = title;
    this.#nothing = downloadUrl === "" || title !== undefined;
    this.#connected = new ConnectionBadge(actions.retry);
    this.#follow = button("follow", "Follow", "Follow the end of the log", actions.follow, "down");
    this.#cancel = button("cancel", "Cancel", "Cancel this workload", actions.cancel, "stop");
    this.#errors = button("level", "", "Show only errors", () => actions.level("error"), "cross");
    this.#warnings = button("level", "", "Show only warnings", () => actions.level("warn"), "alert");
    this.#errors.dataset["level"] = "error";
    this.#warnings.dataset["level"] = "warn";
    for (const made of [this.#errors, this.#warnings]) made.append(element("span", "number"));
    this.menu = button("more", "", "Display options and actions", actions.menu, "more");
    this.menu.setAttribute("aria-haspopup", "menu");
    this.#download.href = downloadUrl;
    this.#download.download = "";
    setName(this.#download, "Download complete log (log.txt)");
    const meta = element("span", "metas", this.#duration, this.#count, this.#errors, this.#warnings);
    const find = button("find-open", "Find", "Find in the complete log (/)", actions.find, "find");
    this.#steps = button("steps-open", "Steps", "Steps: how each stands, and where it begins", actions.steps, "steps");
    const tools = element("span", "tools", this.#cancel, this.#follow, this.#steps, find, this.#download, this.menu);
    this.element = element("header", "bar", ...this.#connected.elements, this.#name, meta, tools);
  }

  update(model: HeaderModel): void {
    const { job, status } = model;
    this.#connected.update(job, status);
    const command = commandOf(job);
    setText(this.#name, this.#title ?? (job?.name || command));
    setTitle(this.#name, [this.#title, job?.name, command, job?.id].filter(Boolean).join("\n"));
    setText(this.#duration, elapsed(job, model.serverNow));
    setText(this.#count, model.lines === 1 ? "1 line" : `${thousands(model.lines)} lines`);
    const of = (level: Level) => model.levels.get(level) ?? 0;
    showCount(this.#errors, of("error") + of("fatal"), "error");
    showCount(this.#warnings, of("warn"), "warning");
    const final = this.#title === undefined && (job === undefined || isFinal(job.state));
    this.#follow.setAttribute("aria-pressed", String(model.following));
    this.#follow.hidden = final && model.following;
    this.#steps.hidden = (job?.steps ?? []).length === 0;
    this.#download.hidden = status.rung === "error" || this.#nothing;
    this.#cancel.hidden = final || this.#readOnly;
    this.#cancel.disabled = model.cancelling;
    setText(this.#cancel.lastElementChild as HTMLElement, model.cancelling ? "Cancelling…" : "Cancel");
    this.#cancel.setAttribute("aria-label", model.cancelling ? "Cancelling…" : this.#cancel.title);
  }
}

function showCount(target: HTMLButtonElement, count: number, word: string): void {
  target.hidden = count === 0;
  setText(target.lastElementChild as HTMLElement, thousands(count));
  setName(target, `${thousands(count)} ${word}${count === 1 ? "" : "s"} (click to show only these lines)`);
}
