"""Artifacts and the kernel: what this machine has, what would change, changing it, and going back."""
