"""Values without I/O: records, workloads, specifications, protocol constants. Any process; imports nothing."""
