"""``iptables-restore`` scripts as text, read into the objects of :mod:`svcc.kernel.xtables.script`.

There is a reader for every match and verdict; a target adds those that it alone has. A rule that is not printed again
as it was read is refused, so readers need not look at how numbers and addresses are spelt.
"""
