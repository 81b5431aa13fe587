// CPU time of a piece of work, without the time that other processes use. Test support.

/** CPU time of this process in milliseconds; each test file has its own process. */
export function busyMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** Repeats a comparison of durations, which can fail on a busy machine. */
export const sometimesSlow = { retry: 4 };
