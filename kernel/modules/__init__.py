"""Kernel modules (modprobe(8)): those that are wanted, their text, reading and loading."""
