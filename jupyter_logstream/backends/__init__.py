"""Backends: start and watch workloads, on this machine (`local`), over ssh, in Slurm. Server."""
