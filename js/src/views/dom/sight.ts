// Whether a view is in the window, by one IntersectionObserver for all views of the page. DOM only.

/** A view this close to the window counts as inside, so that it is painted before it is scrolled into it. */
const MARGIN = "200px";

const listeners = new WeakMap<Element, (isInSight: boolean) => void>();
let observer: IntersectionObserver | undefined;

export class Sight {
  readonly #host: HTMLElement;
  #isInSight = true; // until the browser reports otherwise

  /** `onSight`: the view has come into the window. */
  constructor(host: HTMLElement, onSight: () => void) {
    this.#host = host;
    listeners.set(host, (isInSight) => {
      if (isInSight === this.#isInSight) return;
      this.#isInSight = isInSight;
      if (isInSight) onSight();
    });
    observer ??= createObserver();
    observer.observe(host);
  }

  get isInSight(): boolean {
    return this.#isInSight;
  }

  dispose(): void {
    listeners.delete(this.#host);
    observer?.unobserve(this.#host);
  }
}

function createObserver(): IntersectionObserver {
  // `scrollMargin` extends the boxes of scrolled ancestors, such as a notebook; older browsers ignore it.
  const options: IntersectionObserverInit & { scrollMargin: string } = { rootMargin: MARGIN, scrollMargin: MARGIN };
  return new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) listeners.get(target)?.(isIntersecting);
  }, options);
}
