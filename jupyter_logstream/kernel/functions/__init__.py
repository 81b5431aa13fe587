"""Functions, cells and notebooks as workloads: pickling in the kernel, the child's program, results."""
