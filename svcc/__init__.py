"""svcc: a compiler for Linux service load balancing."""
