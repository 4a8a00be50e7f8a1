"""Proof: what a program means, what artifacts do with a packet, and what real packets do."""
