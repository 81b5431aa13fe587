"""Workloads in containers of Docker and Podman. Server."""
