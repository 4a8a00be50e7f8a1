"""Artifacts and the kernel: what this machine can take."""
