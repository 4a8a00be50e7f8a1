"""Devices and their addresses (ip-link(8), ip-address(8)): objects, their text, reading, difference and loading."""
