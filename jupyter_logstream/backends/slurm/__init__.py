"""Workloads as batch jobs of Slurm. Server."""
