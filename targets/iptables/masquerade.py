"""The nat table's chains that rewrite source addresses.

Services mark a connection (one bit of the packet's mark, ``mark`` in the cluster block) while its destination is still
theirs; POSTROUTING masquerades what is marked, and clears the mark. Whether an endpoint reaches itself through its
service is known only after the choice, when source and destination are the same.
"""

from __future__ import annotations

from collections.abc import Iterable

from svcc.compiler import ir
from svcc.kernel.xtables.matches import Bytecode, CtState, Mark, Out, from_
from svcc.kernel.xtables.script import Chain, Rule
from svcc.kernel.xtables.verdicts import RETURN, Jump, Masquerade, SetMark
from svcc.targets.iptables.names import Names

#: Classic BPF opcodes (linux/filter.h).
_LOAD_WORD, _COPY_TO_X, _JUMP_IF_X, _RETURN = 0x20, 0x07, 0x1D, 0x06
#: The offsets of the source and destination addresses in the network header, and the length of an address, in bytes.
_ADDRESSES = {4: (12, 16, 4), 6: (8, 24, 16)}


def hairpin(version: int) -> Bytecode:
    """Return BPF code that matches packets whose source is their destination, comparing them word by word."""
    source, destination, size = _ADDRESSES[version]
    code: list[tuple[int, int, int, int]] = []
    words = range(0, size, 4)
    for word in words:
        to_the_end = 4 * (len(words) - 1 - word // 4) + 1
        code += [
            (_LOAD_WORD, 0, 0, source + word),
            (_COPY_TO_X, 0, 0, 0),
            (_LOAD_WORD, 0, 0, destination + word),
            (_JUMP_IF_X, 0, to_the_end, 0),
        ]
    return Bytecode((*code, (_RETURN, 0, 0, 0xFFFF), (_RETURN, 0, 0, 0)))


def mark(names: Names, bit: int) -> Chain:
    """Return the chain that marks packets to be masqueraded."""
    return Chain(names.mark, (Rule((), SetMark(bit, bit)),))


def outside(names: Names, bit: int, pods: Iterable[ir.Network]) -> Chain:
    """Return the chain that marks packets of clients outside the pod networks."""
    return Chain(names.outside, (*(Rule(from_(pod), RETURN) for pod in pods), Rule((), SetMark(bit, bit))))


def postrouting(names: Names, bit: int, version: int, *, sources: bool) -> list[Chain]:
    """Return the chains that masquerade marked connections whose destination was rewritten. Packets that stay on the
    node (they leave through ``lo``) keep their source.

    ``sources``: whether there are chains of :mod:`svcc.targets.iptables.sources`.

    The exception for ``lo`` also spares other programs, which redirect connections of a loopback address from one port
    to another.
    """
    rewritten, leaves = CtState(("DNAT",)), Out("lo", negate=True)
    own = [Rule((leaves,), Jump(names.snat))] if sources else []
    hairpins = Jump(names.masquerade) if sources else Masquerade()
    return [
        Chain(names.masquerade, (Rule((), SetMark(0, bit)), *own, Rule((leaves,), Masquerade()))),
        Chain(
            names.postrouting,
            (
                Rule((Mark(bit, bit), rewritten), Jump(names.masquerade)),
                Rule((leaves, rewritten, hairpin(version)), hairpins),
            ),
        ),
    ]
