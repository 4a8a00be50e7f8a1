"""What the tests bring themselves: other releases of nft, namespaces to try things in."""
