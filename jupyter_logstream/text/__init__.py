"""Bytes to meaning: lines, terminal sequences, levels, step markers, masking, metrics. Any process; pure."""
