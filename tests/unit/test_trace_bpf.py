"""Classic BPF: the result of a program for a packet, and what is refused."""

from __future__ import annotations

import pytest

from svcc.verify.trace.bpf import BadBytecode, Instruction, UnknownByte, check, run

PACKET: list[int | None] = [0x45, None, 0x12, 0x34, 0xFF, 0xFF, 0xFF, 0xFE]
RETURN_A = (0x16, 0, 0, 0)


def _result(*program: Instruction) -> int:
    check(program)
    return run(program, PACKET)


@pytest.mark.parametrize(
    ("program", "result"),
    [
        ([(0x06, 0, 0, 7)], 7),
        ([(0x30, 0, 0, 0), RETURN_A], 0x45),  # ldb [0]
        ([(0x28, 0, 0, 2), RETURN_A], 0x1234),  # ldh [2]
        ([(0x20, 0, 0, 4), RETURN_A], 0xFFFFFFFE),  # ld [4]
        ([(0x20, 0, 0, 6), (0x06, 0, 0, 1)], 0),  # behind the end: no match
        ([(0x00, 0, 0, 5), (0x04, 0, 0, 3), RETURN_A], 8),  # ld #5; add #3
        ([(0x00, 0, 0, 1), (0x14, 0, 0, 2), RETURN_A], 0xFFFFFFFF),  # sub wraps at 32 bits
        ([(0x01, 0, 0, 4), (0x20, 0, 0, 0), RETURN_A], None),  # ldx #4; ld [0]: byte 1 is not known
        ([(0x01, 0, 0, 4), (0x40, 0, 0, 0), RETURN_A], 0xFFFFFFFE),  # ldx #4; ld [x + 0]
        ([(0xB1, 0, 0, 0), (0x87, 0, 0, 0), RETURN_A], 20),  # ldxb 4*([0]&0xf); txa
        ([(0x00, 0, 0, 3), (0x07, 0, 0, 0), (0x1D, 0, 1, 0), (0x06, 0, 0, 1), (0x06, 0, 0, 0)], 1),  # tax; jeq x
        ([(0x00, 0, 0, 6), (0x45, 0, 1, 2), (0x06, 0, 0, 1), (0x06, 0, 0, 0)], 1),  # jset #2
        ([(0x00, 0, 0, 6), (0x25, 1, 0, 6), (0x06, 0, 0, 1), (0x06, 0, 0, 2)], 1),  # jgt #6
        ([(0x00, 0, 0, 6), (0x35, 1, 0, 6), (0x06, 0, 0, 1), (0x06, 0, 0, 2)], 2),  # jge #6
        ([(0x05, 0, 0, 1), (0x06, 0, 0, 1), (0x06, 0, 0, 2)], 2),  # ja +1
    ],
)
def test_programs(program: list[Instruction], result: int | None) -> None:
    if result is None:
        with pytest.raises(UnknownByte):
            _result(*program)
    else:
        assert _result(*program) == result


@pytest.mark.parametrize(
    "program",
    [
        [],
        [(0x00, 0, 0, 1)],  # no return
        [(0x05, 0, 0, 1), (0x06, 0, 0, 1)],  # jumps behind the end
        [(0x15, 0, 1, 0), (0x06, 0, 0, 1)],
        [(0xFF, 0, 0, 0), (0x06, 0, 0, 1)],
        [(0x02, 0, 0, 0), (0x06, 0, 0, 1)],  # scratch memory
        [(0x34, 0, 0, 0), (0x06, 0, 0, 1)],  # a division
    ],
)
def test_what_is_refused(program: list[Instruction]) -> None:
    with pytest.raises(BadBytecode):
        check(program)
