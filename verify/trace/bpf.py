"""Runs classic BPF programs on a packet, as the ``bpf`` match does (linux/filter.h, bpf(4)).

The packet begins with its network header. Loading a byte that a trace does not know (the source port, a checksum) is an
error, not a guess.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

#: Opcode, jump if true, jump if false, operand.
Instruction: TypeAlias = tuple[int, int, int, int]

_WORD = 0xFFFFFFFF
_SIZES = {0x00: 4, 0x08: 2, 0x10: 1}
_LD, _LDX, _ST, _STX, _ALU, _JMP, _RET, _MISC = range(8)
_IMM, _ABS, _IND, _MEM, _LEN, _MSH = 0x00, 0x20, 0x40, 0x60, 0x80, 0xA0
_ALU_OPERATIONS: Mapping[int, Callable[[int, int], int]] = {
    0x00: lambda a, b: a + b,
    0x10: lambda a, b: a - b,
    0x20: lambda a, b: a * b,
    0x40: lambda a, b: a | b,
    0x50: lambda a, b: a & b,
    0x60: lambda a, b: a << (b & 31),
    0x70: lambda a, b: a >> (b & 31),
    0xA0: lambda a, b: a ^ b,
}
_COMPARISONS: Mapping[int, Callable[[int, int], bool]] = {
    0x10: lambda a, b: a == b,
    0x20: lambda a, b: a > b,
    0x30: lambda a, b: a >= b,
    0x40: lambda a, b: bool(a & b),
}


class BadBytecode(Exception):
    """An instruction does not exist, or jumps out of the program."""


class UnknownByte(Exception):
    """The program loads a byte that the trace does not know."""


@dataclass(slots=True)
class _Machine:
    packet: Sequence[int | None]
    a: int = 0
    x: int = 0

    def load(self, offset: int, size: int) -> int | None:
        """Return a big-endian number. Return None beyond the packet's end, which ends the program with 0."""
        if offset < 0 or offset + size > len(self.packet):
            return None
        number = 0
        for byte in self.packet[offset : offset + size]:
            if byte is None:
                raise UnknownByte(f"byte {offset}")
            number = number << 8 | byte
        return number


def check(program: Sequence[Instruction]) -> None:
    """Refuse what the kernel refuses (bpf_check_classic). Errors: BadBytecode."""
    if not program or program[-1][0] not in (0x06, 0x16):
        raise BadBytecode("it does not end in a return")
    for index, (code, jt, jf, k) in enumerate(program):
        if not _known(code):
            raise BadBytecode(f"no instruction has the code {code}")
        if code & 7 == _JMP and max((k,) if code == 0x05 else (jt, jf)) >= len(program) - index - 1:
            raise BadBytecode(f"instruction {index} jumps behind the end")
        if code & 7 in (_ST, _STX) or (code & 7 in (_LD, _LDX) and code & 0xE0 == _MEM):
            raise BadBytecode("scratch memory is not followed here")


def _known(code: int) -> bool:
    kind, mode, operation = code & 7, code & 0xE0, code & 0xF0
    if kind == _LD:
        return (mode in (_ABS, _IND) and code & 0x18 in _SIZES) or code in (0x00, 0x80)
    if kind == _LDX:
        return code in (0x01, 0x81, 0xB1)
    if kind == _ALU:
        return operation in _ALU_OPERATIONS
    if kind == _JMP:
        return operation in _COMPARISONS or code == 0x05
    return code in (0x06, 0x16, 0x07, 0x87)


def run(program: Sequence[Instruction], packet: Sequence[int | None]) -> int:
    """Run a program, and return its result; 0 means no match. Errors: UnknownByte."""
    machine = _Machine(packet)
    index = 0
    while True:
        code, jt, jf, k = program[index]
        index += 1
        kind = code & 7
        if kind == _RET:
            return k if code == 0x06 else machine.a
        if kind == _JMP:
            index += k if code == 0x05 else jt if _holds(machine, code, k) else jf
        elif not _step(machine, code, k):
            return 0


def _holds(machine: _Machine, code: int, k: int) -> bool:
    return _COMPARISONS[code & 0xF0](machine.a, machine.x if code & 0x08 else k)


def _step(machine: _Machine, code: int, k: int) -> bool:
    """Run one instruction that does not jump. Return False where it reads beyond the packet's end."""
    kind = code & 7
    if kind in (_LD, _LDX):
        value = _loaded(machine, code, k)
        if value is None:
            return False
        if kind == _LD:
            machine.a = value
        else:
            machine.x = value
    elif kind == _ALU:
        machine.a = _ALU_OPERATIONS[code & 0xF0](machine.a, machine.x if code & 0x08 else k) & _WORD
    elif code == 0x07:
        machine.x = machine.a
    else:
        machine.a = machine.x
    return True


def _loaded(machine: _Machine, code: int, k: int) -> int | None:
    mode = code & 0xE0
    if mode == _IMM:
        return k
    if mode == _LEN:
        raise UnknownByte("the packet's length")
    if mode == _MSH:  # four times the low half of a byte, which is the length of an IPv4 header
        byte = machine.load(k, 1)
        return None if byte is None else (byte & 15) * 4
    return machine.load(k + (machine.x if mode == _IND else 0), _SIZES[code & 0x18])
