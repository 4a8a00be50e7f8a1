"""Kernel modules (modprobe(8)): their text, reading which of them the kernel has, and loading."""
