// Header of a log view: state, name, duration, counts and actions. DOM only; it shows a model and reports clicks.

import { type ErrorCount, errorsInWords } from "../../log/error-lines.js";
import { isFinal, type Level, type Status, type Workload } from "../../protocol/types.js";
import { commandOf, elapsed, resultText, thousands } from "../../text/format.js";
import { lostLink, placeOf } from "../../text/place.js";
import { ConnectionBadge } from "../dom/connection-badge.js";
import { button, element, icon, setName, setText, setTitle } from "../dom/dom.js";

/** Of a function's result in the header; its tooltip shows more. */
const MAX_RESULT_CHARS = 40;

export interface HeaderModel {
  readonly job: Workload | undefined;
  readonly status: Status;
  readonly lines: number;
  readonly following: boolean;
  readonly cancelling: boolean;
  readonly levels: ReadonlyMap<Level, number>;
  readonly errors: ErrorCount;
  /** Server time in ms, for the duration. */
  readonly serverNow: number;
}

export interface HeaderActions {
  retry(): void;
  follow(): void;
  cancel(): void;
  find(): void;
  /** Toggles the filter by a level. */
  level(level: Level): void;
  menu(): void;
  /** The link to the complete log was clicked. */
  download(event: Event): void;
}

export class Header {
  readonly element: HTMLElement;
  /** The button that opens the menu. */
  readonly menu: HTMLButtonElement;
  /** Below the header while the connection to the workload's machine is lost. The badge announces it, once. */
  readonly lostLink = element("div", "lost-link");
  readonly #connection: ConnectionBadge;
  readonly #name = element("span", "name");
  readonly #result = element("span", "result");
  readonly #place = element("span", "meta place");
  readonly #duration = element("span", "meta duration");
  readonly #count = element("span", "meta count");
  readonly #masked = element("span", "meta masked");
  readonly #errors: HTMLButtonElement;
  readonly #warnings: HTMLButtonElement;
  readonly #download = element("a", "download", icon("download"));
  readonly #follow: HTMLButtonElement;
  readonly #cancel: HTMLButtonElement;
  readonly #title: string | undefined;
  readonly #canCancel: boolean;
  readonly #canDownload: boolean;

  /** `title`: of a log that belongs to no workload; it cannot be cancelled or downloaded and never ends. */
  constructor(actions: HeaderActions, downloadUrl: string, readOnly = false, title?: string) {
    this.#title = title;
    this.#canCancel = !readOnly && title === undefined;
    this.#canDownload = downloadUrl !== "" && title === undefined;
    this.#connection = new ConnectionBadge(actions.retry);
    this.#follow = button("follow", "Follow", "Follow the end of the log", actions.follow, "down");
    this.#cancel = button("cancel", "Cancel", "Cancel this workload", actions.cancel, "stop");
    this.#errors = button("level", "", "Show only errors", () => actions.level("error"), "cross");
    this.#warnings = button("level", "", "Show only warnings", () => actions.level("warn"), "alert");
    this.#errors.dataset["level"] = "error";
    this.#warnings.dataset["level"] = "warn";
    for (const count of [this.#errors, this.#warnings]) count.append(element("span", "number"));
    this.menu = button("more", "", "Display options and actions", actions.menu, "more");
    this.menu.setAttribute("aria-haspopup", "menu");
    this.#download.href = downloadUrl;
    this.#download.download = "";
    this.#download.addEventListener("click", (event) => actions.download(event));
    setName(this.#download, "Download complete log (log.txt)");
    const meta = element(
      "span",
      "metas",
      this.#result,
      this.#place,
      this.#duration,
      this.#count,
      this.#masked,
      this.#errors,
      this.#warnings,
    );
    const find = button("find-open", "Find", "Find in the complete log (/)", actions.find, "find");
    const tools = element("span", "tools", this.#cancel, this.#follow, find, this.#download, this.menu);
    this.element = element("header", "bar", ...this.#connection.elements, this.#name, this.#result, meta, tools);
  }

  update(model: HeaderModel): void {
    const { job, status, levels } = model;
    const cancelling = model.cancelling || job?.link?.cancel_pending === true;
    this.#connection.update(job, status);
    const command = commandOf(job);
    setText(this.#name, this.#title ?? nameAndCall(job));
    setTitle(
      this.#name,
      [this.#title, job?.name, command, job?.id, job?.node && `on ${job.node}`].filter(Boolean).join("\n"),
    );
    this.#showResult(resultText(job));
    this.#showPlace(job, model.serverNow);
    setText(this.#duration, elapsed(job, model.serverNow));
    setText(this.#count, model.lines === 1 ? "1 line" : `${thousands(model.lines)} lines`);
    showMasked(this.#masked, job?.masked ?? 0);
    const warnings = levels.get("warn") ?? 0;
    showCount(this.#errors, model.errors.errors, errorsInWords(model.errors));
    showCount(this.#warnings, warnings, `${thousands(warnings)} warning${warnings === 1 ? "" : "s"}`);
    const final = this.#title === undefined && (job === undefined || isFinal(job.state));
    this.#follow.setAttribute("aria-pressed", String(model.following));
    this.#follow.hidden = final && model.following;
    this.#download.hidden = status.rung === "error" || !this.#canDownload;
    this.#cancel.hidden = final || !this.#canCancel;
    this.#cancel.disabled = cancelling;
    setText(this.#cancel.lastElementChild as HTMLElement, cancelling ? "Cancelling…" : "Cancel");
    this.#cancel.setAttribute("aria-label", cancelling ? "Cancelling…" : this.#cancel.title);
  }

  #showPlace(job: Workload | undefined, now: number): void {
    const place = placeOf(job);
    setText(this.#place, place);
    setTitle(this.#place, place === "" ? "" : `Runs on ${place}`);
    const lost = lostLink(job, now);
    const reason = job?.state === "queued" ? job.reason : undefined;
    setText(this.lostLink, [capitalized(lost), lost && reason].filter(Boolean).join(". "));
    this.lostLink.hidden = lost === "";
  }

  #showResult(result: string): void {
    setText(this.#result, result.length > MAX_RESULT_CHARS ? `${result.slice(0, MAX_RESULT_CHARS)}…` : result);
    setTitle(this.#result, result);
    this.#result.hidden = result === "";
  }
}

/** A workload's name; of a function that has another name its call, too. */
function capitalized(text: string): string {
  return text.slice(0, 1).toUpperCase() + text.slice(1);
}

function nameAndCall(job: Workload | undefined): string {
  if (!job?.call || job.call === job.name) return job?.name || commandOf(job);
  return job.name ? `${job.name} · ${job.call}` : job.call;
}

function showMasked(target: HTMLElement, count: number): void {
  target.hidden = count === 0;
  setText(target, `${thousands(count)} masked`);
  setTitle(target, `${thousands(count)} secret${count === 1 ? " is" : "s are"} shown as ***`);
}

function showCount(target: HTMLButtonElement, count: number, words: string): void {
  target.hidden = count === 0;
  setText(target.lastElementChild as HTMLElement, thousands(count));
  setName(target, `${words} (click to show only these lines)`);
}
