// Frame scheduler of the page: in one animation frame all views first read the layout, then all write. DOM only.
// A read behind a write makes the browser compute the layout at once. With one phase for each, that happens at most once per
// frame for all views together, however many there are. With many views new lines wait a little, so that the page keeps most
// of its time: a frame follows the last one after a multiple of the time that the last one took.

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

/** Views that were painted within this time are active. */
const ACTIVE_MS = 1000;
/** The wait behind a frame, in durations of the frame: several views take an eighth of the page's time. And at most: */
const WAIT_FACTOR = 7;
const MAX_WAIT_MS = 250;

const due = new Set<Painter>();
/** When each view was last painted. */
const paintedAt = new Map<Painter, number>();
let frame: number | undefined;
let timer: ReturnType<typeof setTimeout> | undefined;
/** When the next frame for new lines is due. */
let readyAt = 0;

/** Requests paints of one view: at most one per animation frame. */
export class FrameScheduler {
  readonly #painter: Painter;
  #stopped = false;

  constructor(painter: Painter) {
    this.#painter = painter;
  }

  /** Paints once in the next frame, however often it is called: for what users do. */
  request(): void {
    if (this.#stopped) return;
    due.add(this.#painter);
    schedule(0);
  }

  /** Paints once, as soon as the other views leave time: for what the page receives. */
  requestSoon(): void {
    if (this.#stopped) return;
    due.add(this.#painter);
    schedule(readyAt - performance.now());
  }

  /** Cancels the pending paint and ignores later requests. */
  stop(): void {
    this.#stopped = true;
    due.delete(this.#painter);
    paintedAt.delete(this.#painter);
    if (due.size > 0) return;
    clearTimeout(timer);
    if (frame !== undefined) cancelAnimationFrame(frame);
    frame = timer = undefined;
  }
}

function schedule(waitMs: number): void {
  if (frame !== undefined) return;
  if (waitMs > 0) {
    timer ??= setTimeout(() => schedule(0), waitMs);
    return;
  }
  clearTimeout(timer);
  timer = undefined;
  frame = requestAnimationFrame(paintAll);
}

function paintAll(): void {
  frame = undefined;
  const start = performance.now();
  const painters = [...due];
  due.clear();
  for (const painter of painters) paintedAt.set(painter, start);
  const factor = waitFactor(start);
  if (factor > 0) {
    readyAt = start + MAX_WAIT_MS;
    setTimeout(() => {
      const end = performance.now(); // behind the browser's own part of the frame
      readyAt = end + Math.min(MAX_WAIT_MS, factor * (end - start));
    });
  }
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

/** 0: a single active view is painted in every frame. */
function waitFactor(now: number): number {
  let active = 0;
  for (const at of paintedAt.values()) if (now - at < ACTIVE_MS) active += 1;
  return active > 1 ? WAIT_FACTOR : 0;
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
