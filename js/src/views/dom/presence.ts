// Detects whether a view is in the document. DOM only.
// A host application can remove a view without disposing of it, or park it (windowed notebooks). Then the view closes its
// stream, and reopens it when it is back in the document.

const CHECK_INTERVAL_MS = 2500;
/** A view is absent after this number of successive checks outside the document. */
const ABSENT_CHECKS = 2;

export class Presence {
  readonly #host: HTMLElement;
  readonly #onAbsent: () => void;
  readonly #observer: ResizeObserver;
  #interval: ReturnType<typeof setInterval> | undefined;
  #absentChecks = 0;

  /** `onPresent` is called when the host has got a size in the document, possibly several times. */
  constructor(host: HTMLElement, onPresent: () => void, onAbsent: () => void) {
    this.#host = host;
    this.#onAbsent = onAbsent;
    this.#observer = new ResizeObserver(() => {
      if (host.isConnected) onPresent();
    });
    this.#observer.observe(host);
  }

  /** Starts checking for absence, until `unwatch`. */
  watch(): void {
    this.unwatch();
    this.#absentChecks = 0;
    this.#interval = setInterval(() => this.#check(), CHECK_INTERVAL_MS);
  }

  unwatch(): void {
    clearInterval(this.#interval);
  }

  dispose(): void {
    this.unwatch();
    this.#observer.disconnect();
  }

  #check(): void {
    this.#absentChecks = this.#host.isConnected ? 0 : this.#absentChecks + 1;
    if (this.#absentChecks >= ABSENT_CHECKS) this.#onAbsent();
  }
}
