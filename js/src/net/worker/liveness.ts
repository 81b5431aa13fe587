// Liveness by Web Locks: each side holds a lock for its lifetime; the peer queues for it and is granted it when the holder
// dies. Page and shared worker. Without Web Locks (plain http from another machine) heartbeats are used instead.

/** Holds a lock until this page or worker dies. Returns its name, or undefined without Web Locks. */
export function holdLock(locks: LockManager | undefined, owner: string): Promise<string | undefined> {
  if (locks === undefined) return Promise.resolve(undefined);
  const name = `jupyter-logstream.${owner}.${Date.now().toString(36)}${Math.random().toString(36).slice(2)}`;
  return new Promise((resolve) => {
    const held = () => {
      resolve(name);
      return new Promise<never>(() => {});
    };
    locks.request(name, held).catch(() => resolve(undefined)); // denied, as in a sandboxed frame
  });
}

/** Calls `onDeath` when the holder of this lock dies, unless `signal` is aborted before. */
export function onRelease(
  locks: LockManager | undefined,
  name: string,
  onDeath: () => void,
  signal?: AbortSignal,
): void {
  const granted = () => {
    if (!signal?.aborted) onDeath();
  };
  locks?.request(name, signal === undefined ? {} : { signal }, granted).catch(() => {}); // aborted
}
