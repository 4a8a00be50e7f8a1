"""Reads ``iptables-restore`` scripts into the objects of :mod:`svcc.kernel.xtables.script`.

There is a reader for every match and verdict; a target adds readers for those that it alone has. A rule that is printed
differently from how it was read is refused, so readers need not check how numbers and addresses are spelt.
"""
