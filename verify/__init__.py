"""Verification: what a program means, what artifacts do with a packet, and what happens to real packets."""
