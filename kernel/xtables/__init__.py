"""iptables in both of its variants: rules as values, scripts, listings, and the lines between two states."""
