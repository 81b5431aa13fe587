// Coalesces paint requests: at most one paint per animation frame. DOM only.

export class FrameScheduler {
  readonly #paint: () => void;
  #frame: number | undefined;
  #stopped = false;

  constructor(paint: () => void) {
    this.#paint = paint;
  }

  /** Paints once in the next frame, however often it is called. */
  request(): void {
    if (this.#stopped) return;
    this.#frame ??= requestAnimationFrame(() => {
      this.#frame = undefined;
      this.#paint();
    });
  }

  /** Cancels the pending paint and ignores later requests. */
  stop(): void {
    this.#stopped = true;
    if (this.#frame !== undefined) cancelAnimationFrame(this.#frame);
  }
}
