"""Backends: start and watch workloads on some machine, this one (`local`) for now. Server."""
