"""Kernel parameters (sysctl(8)): objects, their text, reading, difference and loading."""
