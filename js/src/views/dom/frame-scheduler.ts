// Frame scheduler of the page: in one animation frame all views first read the layout, then all write. DOM only.
// A read behind a write makes the browser compute the layout at once. With one phase for each, that happens at most once per
// frame for all views together, however many there are.

/** A part of a paint: it reads sizes, then it writes. */
export interface Pass {
  /** Reads the layout, and writes nothing. */
  read(): void;
  /** Writes, and reads nothing. Returns the pass that depends on the sizes of what it wrote: it follows in the same frame. */
  write(): Pass | undefined;
}

/** A view, or another part of the page that is painted on its own. */
export interface Painter extends Pass {
  /** Sets scroll positions: the browser computes the layout for that, so it comes last. */
  scroll?(): void;
}

/** Most passes of one view per frame: sizes that still change are read in the next frame. */
const MAX_PASSES = 5;

const due = new Set<Painter>();
let frame: number | undefined;

/** Requests paints of one view: at most one per animation frame. */
export class FrameScheduler {
  readonly #painter: Painter;
  #stopped = false;

  constructor(painter: Painter) {
    this.#painter = painter;
  }

  /** Paints once in the next frame, however often it is called. */
  request(): void {
    if (this.#stopped) return;
    due.add(this.#painter);
    frame ??= requestAnimationFrame(paintAll);
  }

  /** Cancels the pending paint and ignores later requests. */
  stop(): void {
    this.#stopped = true;
    due.delete(this.#painter);
    if (due.size > 0 || frame === undefined) return;
    cancelAnimationFrame(frame);
    frame = undefined;
  }
}

function paintAll(): void {
  frame = undefined;
  const painters = [...due];
  due.clear();
  let passes: readonly Pass[] = painters;
  for (let i = 0; i < MAX_PASSES && passes.length > 0; i++) {
    each(passes, (pass) => pass.read());
    const next: Pass[] = [];
    each(passes, (pass) => {
      const following = pass.write();
      if (following !== undefined) next.push(following);
    });
    passes = next;
  }
  each(painters, (painter) => painter.scroll?.());
}

/** The exception of one view is reported and does not reach the others. */
function each<One>(all: readonly One[], act: (one: One) => void): void {
  for (const one of all) {
    try {
      act(one);
    } catch (error) {
      queueMicrotask(() => {
        throw error;
      });
    }
  }
}
