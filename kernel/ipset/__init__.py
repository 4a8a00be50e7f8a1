"""ipset's sets (ipset(8)): sets and elements as objects, their text, reading, difference and loading."""
