// Actions on a workload of the table (cancel, run again, copy, delete) and their result messages. Deleting is
// confirmed in the row. DOM only for the clipboard; the server is an injected source.

import { isFinal } from "../../protocol/types.js";
import type { ListedWorkload, WorkloadsSource } from "../../protocol/workloads-source.js";
import { commandOf } from "../../text/format.js";
import { copyText } from "../dom/clipboard.js";
import type { WorkloadAction } from "./workload-row.js";

export interface ActionsHost {
  readonly openTab: ((job: ListedWorkload) => void) | undefined;
  changed(): void;
  /** Focuses a row, or a button in it. */
  focus(id: string, act?: "remove"): void;
}

export class WorkloadActions {
  /** The last error as a sentence; "": none. */
  error = "";
  /** The last result, for screen readers. */
  message = "";
  /** The workload whose deletion waits for confirmation. */
  confirming: string | undefined;
  readonly #source: WorkloadsSource;
  readonly #host: ActionsHost;
  readonly #cancelling = new Set<string>();

  constructor(source: WorkloadsSource, host: ActionsHost) {
    this.#source = source;
    this.#host = host;
  }

  /** From the click until the workload has ended. */
  isCancelling(job: ListedWorkload): boolean {
    if (isFinal(job.state)) this.#cancelling.delete(job.id);
    return this.#cancelling.has(job.id);
  }

  act(act: WorkloadAction, job: ListedWorkload | undefined): void {
    if (job === undefined) return;
    this.error = "";
    this.message = "";
    if (act === "ask") this.#confirm(job);
    else if (act === "keep") this.#keep(job);
    else if (act === "tab") this.#host.openTab?.(job);
    else if (act === "command") void this.#copy("command", commandOf(job));
    else if (act === "id") void this.#copy("id", job.id);
    else if (act === "cancel") void this.#cancel(job);
    else if (act === "again") void this.#again(job);
    else void this.#remove(job);
    this.#host.changed();
  }

  #confirm({ id, state }: ListedWorkload): void {
    if (!isFinal(state)) return;
    this.confirming = id;
    this.#host.focus(id, "remove");
  }

  #keep({ id }: ListedWorkload): void {
    if (this.confirming === undefined) return;
    this.confirming = undefined;
    this.#host.focus(id);
  }

  async #cancel(job: ListedWorkload): Promise<void> {
    this.#cancelling.add(job.id);
    const isDone = await this.#try(this.#source.cancel(job.id), "cancel", job, "Cancelling");
    if (!isDone) this.#cancelling.delete(job.id);
  }

  async #again(job: ListedWorkload): Promise<void> {
    await this.#try(this.#source.again(job.id), "run again", job, "Started again");
  }

  async #remove(job: ListedWorkload): Promise<void> {
    this.#keep(job);
    await this.#try(this.#source.remove(job.id), "delete", job, "Deleted");
  }

  async #copy(what: string, text: string): Promise<void> {
    if (await copyText(text)) this.message = `Copied the ${what}`;
    else this.error = `Copying is blocked by the browser. The ${what} is: ${text}`;
    this.#host.changed();
  }

  async #try(request: Promise<unknown>, what: string, job: ListedWorkload, done: string): Promise<boolean> {
    const name = job.name || commandOf(job) || job.id;
    try {
      await request;
      this.message = `${done}: ${name}`;
      return true;
    } catch (cause) {
      this.error = `Could not ${what} ${name}: ${cause instanceof Error ? cause.message : String(cause)}`;
      return false;
    } finally {
      this.#host.changed();
    }
  }
}
