"""Kernel parameters (sysctl(8)): parameters as objects, their text, reading, difference and loading."""
