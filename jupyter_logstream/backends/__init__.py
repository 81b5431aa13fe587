"""Backends: where a runner is started (this machine; later ssh, Slurm, Kubernetes). Server."""
