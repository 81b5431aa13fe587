// Messages around the lines: errors, the empty state, the number of new lines, toasts, and the lines saved in the notebook
// for a log that is unavailable. DOM only.

import type { Log } from "../../log/log.js";
import { isFinal, type SavedLog } from "../../protocol/types.js";
import { badge } from "../../text/format.js";
import { element, setText } from "../dom/dom.js";
import { NewRowsButton } from "../dom/new-rows-button.js";

const TOAST_MS = 3000;

/** The state of the line list that messages depend on. */
export interface ListState {
  /** The number of rows in the DOM. */
  readonly rows: number;
  readonly following: boolean;
  readonly filtered: boolean;
  /** The number of matching lines; undefined while it is unknown. */
  readonly matchCount: number | undefined;
}

export class Notices {
  readonly notice = element("div", "notice");
  readonly empty = element("div", "empty");
  /** The last lines saved in the notebook. */
  readonly saved = element("pre", "kept");
  readonly newLines: HTMLElement;
  readonly toastElement = element("div", "toast");
  readonly #newLines: NewRowsButton;
  readonly #title: string | undefined;
  readonly #saved: SavedLog | undefined;
  readonly #lines: HTMLElement;
  /** The newest record when following stopped. */
  #lastFollowed = 0;
  #toastTimer: ReturnType<typeof setTimeout> | undefined;

  /** `lines`: the element that the saved lines replace. `title`: of a log that belongs to no workload. */
  constructor(lines: HTMLElement, saved: SavedLog | undefined, title: string | undefined, follow: () => void) {
    this.#lines = lines;
    this.#saved = saved;
    this.#title = title;
    this.notice.setAttribute("role", "status");
    this.toastElement.setAttribute("role", "status");
    this.toastElement.hidden = true;
    this.saved.tabIndex = 0; // keyboard users can scroll it
    this.saved.dataset["lmSuppressShortcuts"] = "true";
    this.saved.setAttribute("aria-label", "Last lines saved in this notebook");
    setText(this.saved, saved?.lines.join("\n") || "No output");
    this.#newLines = new NewRowsButton("down", "line", follow);
    this.newLines = this.#newLines.element;
  }

  update(log: Log, list: ListState): void {
    const { job, status, actionError, lines } = log;
    const error = status.rung === "error" ? status.message : undefined;
    const isUnavailable = error !== undefined && lines.get(lines.last) === undefined;
    const showsSaved = isUnavailable && this.#saved !== undefined;
    if (showsSaved && this.saved.hidden) requestAnimationFrame(() => this.saved.scrollTo(0, this.saved.scrollHeight));
    this.saved.hidden = !showsSaved;
    this.#lines.hidden = showsSaved;
    const notice = showsSaved
      ? `${error.replace(/\.?$/, ".")} ${savedNotice(log)}`
      : (error ?? (actionError || job?.error || ""));
    setText(this.notice, notice);
    this.notice.hidden = notice === "";
    this.empty.hidden = list.rows > 0 || showsSaved;
    setText(this.empty, this.#emptyText(log, list));
    if (list.following) this.#lastFollowed = lines.last;
    this.#newLines.update(lines.last - this.#lastFollowed);
  }

  /** Shows a short confirmation for TOAST_MS. */
  toast(text: string): void {
    setText(this.toastElement, text);
    this.toastElement.hidden = text === "";
    clearTimeout(this.#toastTimer);
    this.#toastTimer = setTimeout(() => {
      this.toastElement.hidden = true;
    }, TOAST_MS);
  }

  dispose(): void {
    clearTimeout(this.#toastTimer);
  }

  #emptyText({ job, status }: Log, { filtered, matchCount }: ListState): string {
    if (status.rung === "error") return "No log to show";
    if (filtered) return matchCount === undefined ? "Searching…" : "No matching lines";
    const isKnown = job !== undefined || (this.#title !== undefined && status.rung === "live");
    if (!isKnown || status.rung === "connecting") return "Connecting…";
    if (job === undefined) return "No lines yet";
    if (job.state === "queued")
      return job.link ? "Not started yet" : ["Waiting in the queue", job.reason].filter(Boolean).join(": ");
    return isFinal(job.state) ? "No output" : ["No lines yet", job.reason].filter(Boolean).join(": ");
  }
}

function savedNotice({ job }: Log): string {
  const { label, detail } = badge(job, { rung: "done" }, 0);
  return `Showing the last lines saved in this notebook (${[label, detail].filter(Boolean).join(", ")}).`;
}
