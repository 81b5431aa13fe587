// Is anybody there? A view may be wiped from the page without a call, or parked by a windowed notebook: then it lets go of
// its stream, and comes back when it is shown again. DOM only.

/** Out of the document for two looks in a row has been thrown away without a word, or is parked. */
const WATCH_MS = 2500;

export class Presence {
  readonly #host: HTMLElement;
  readonly #gone: () => void;
  readonly #observer: ResizeObserver;
  #watch: ReturnType<typeof setInterval> | undefined;
  #absent = 0;

  /** `there` is called when the host is in the document and has taken its size, maybe anew. */
  constructor(host: HTMLElement, there: () => void, gone: () => void) {
    this.#host = host;
    this.#gone = gone;
    this.#observer = new ResizeObserver(() => {
      if (host.isConnected) there();
    });
    this.#observer.observe(host);
  }

  /** Looks after it from now on, until `rest`. */
  watch(): void {
    this.rest();
    this.#absent = 0;
    this.#watch = setInterval(() => this.#look(), WATCH_MS);
  }

  rest(): void {
    clearInterval(this.#watch);
  }

  dispose(): void {
    this.rest();
    this.#observer.disconnect();
  }

  #look(): void {
    this.#absent = this.#host.isConnected ? 0 : this.#absent + 1;
    if (this.#absent >= 2) this.#gone();
  }
}
