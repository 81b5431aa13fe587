// How long the processor was busy with something: what a busy machine lets it wait does not count.

/** Milliseconds of the processor's time that this process (each file of tests has one) has had so far. */
export function busyMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** For a test of what must come sooner than something else: on a busy machine that may take more than one attempt. */
export const sometimesSlow = { retry: 4 };
