"""Workloads as jobs of a Ray cluster. Server."""
