// Locks as signs of life: who holds one for good is alive, and whoever waits for it learns of the end, however it came.
// Where the browser has no locks (plain http from another machine), nobody learns anything and heartbeats must do.

/** A lock that is held as long as this page or worker is there: its name, or undefined where there are none. */
export function hold(locks: LockManager | undefined, whose: string): Promise<string | undefined> {
  if (locks === undefined) return Promise.resolve(undefined);
  const name = `jupyter-logstream.${whose}.${Date.now().toString(36)}${Math.random().toString(36).slice(2)}`;
  return new Promise((resolve) => {
    const held = () => {
      resolve(name);
      return new Promise<never>(() => {});
    };
    locks.request(name, held).catch(() => resolve(undefined)); // refused, as in a sandboxed frame
  });
}

/** Calls `gone` when the holder of this lock is no more, unless it is told before that nobody cares. */
export function watch(locks: LockManager | undefined, name: string, gone: () => void, signal?: AbortSignal): void {
  const granted = () => {
    if (!signal?.aborted) gone();
  };
  locks?.request(name, signal === undefined ? {} : { signal }, granted).catch(() => {}); // given up
}
