// When a view is painted: at most once per animation frame, whatever arrives. Knows no view.

export class FrameScheduler {
  readonly #paint: () => void;
  #frame: number | undefined;
  #stopped = false;

  constructor(paint: () => void) {
    this.#paint = paint;
  }

  /** Paints at the next frame, once, however often it is asked for. */
  request(): void {
    if (this.#stopped) return;
    this.#frame ??= requestAnimationFrame(() => {
      this.#frame = undefined;
      this.#paint();
    });
  }

  /** From now on nothing is painted any more. */
  stop(): void {
    this.#stopped = true;
    if (this.#frame !== undefined) cancelAnimationFrame(this.#frame);
  }
}
