// What is said around the lines: why there are none, what went wrong, how many are new, what was just done; and the lines a
// notebook has kept, where the log can't be had. DOM only; it shows what it is told.

import type { Log } from "../../log/log.js";
import { isFinal, type SavedLog } from "../../protocol/types.js";
import { badge } from "../../text/format.js";
import { element, setText } from "../dom/dom.js";
import { NewRowsButton } from "../dom/new-rows-button.js";

const SAID_MS = 3000;

/** What the screen shows, as far as words depend on it. */
export interface ListState {
  readonly rows: number;
  readonly following: boolean;
  /** Are only some lines to be shown? */
  readonly filtered: boolean;
  /** How many of them there are, once that is known. */
  readonly matching: number | undefined;
}

export class Notices {
  readonly notice = element("div", "notice");
  readonly empty = element("div", "empty");
  readonly kept = element("pre", "kept");
  readonly #news: NewRowsButton;
  readonly news: HTMLElement;
  readonly toast = element("div", "toast");
  readonly #title: string | undefined;
  readonly #kept: SavedLog | undefined;
  readonly #lines: HTMLElement;
  /** The newest record when following stopped. */
  #seen = 0;
  #saying: ReturnType<typeof setTimeout> | undefined;

  /** `lines`: the element that the kept lines stand in for; `title`: of a log that is no workload's. */
  constructor(lines: HTMLElement, kept: SavedLog | undefined, title: string | undefined, follow: () => void) {
    this.#lines = lines;
    this.#kept = kept;
    this.#title = title;
    this.notice.setAttribute("role", "status");
    this.toast.setAttribute("role", "status");
    this.toast.hidden = true;
    this.kept.tabIndex = 0; // it scrolls
    this.kept.dataset["lmSuppressShortcuts"] = "true";
    this.kept.setAttribute("aria-label", "Last lines saved in this notebook");
    setText(this.kept, kept?.lines.join("\n") || "No output");
    this.#news = new NewRowsButton("down", "line", follow);
    this.news = this.#news.element;
  }

  update(log: Log, scene: ListState): void {
    const { job, status, actionError, lines } = log;
    const error = status.rung === "error" ? status.message : undefined;
    const stands = error !== undefined && lines.get(lines.last) === undefined && this.#kept !== undefined;
    if (stands && this.kept.hidden) requestAnimationFrame(() => this.kept.scrollTo(0, this.kept.scrollHeight));
    this.kept.hidden = !stands;
    this.#lines.hidden = stands;
    const notice = stands ? `${error} ${keptText(log)}` : (error ?? (actionError || job?.error || ""));
    setText(this.notice, notice);
    this.notice.hidden = notice === "";
    this.empty.hidden = scene.rows > 0 || stands;
    setText(this.empty, this.#emptyText(log, scene));
    if (scene.following) this.#seen = lines.last;
    this.#news.update(lines.last - this.#seen);
  }

  /** Says for a moment what was done. */
  say(text: string): void {
    setText(this.toast, text);
    this.toast.hidden = text === "";
    clearTimeout(this.#saying);
    this.#saying = setTimeout(() => {
      this.toast.hidden = true;
    }, SAID_MS);
  }

  dispose(): void {
    clearTimeout(this.#saying);
  }

  #emptyText({ job, status }: Log, scene: ListState): string {
    if (status.rung === "error") return "No log to show";
    if (scene.filtered) return scene.matching === undefined ? "Searching…" : "No matching lines";
    const isKnown = job !== undefined || (this.#title !== undefined && status.rung === "live");
    if (!isKnown || status.rung === "connecting") return "Connecting…";
    if (job === undefined) return "No lines yet";
    if (job.state === "queued") return "Waiting in the queue";
    return isFinal(job.state) ? "No output" : "No lines yet";
  }
}

function keptText({ job }: Log): string {
  const { label, detail } = badge(job, { rung: "done" }, 0);
  return `Showing the last lines saved in this notebook (${[label, detail].filter(Boolean).join(", ")}).`;
}
