"""iptables in both of its variants: rules as values, scripts, listings, and the lines that lead from state to state."""
