"""What ``svcc register`` says of its own words, before etcd is asked."""

from __future__ import annotations

import pytest

from support.command_line import program

_AWAY = ("--fleet", "shop", "--etcd", "http://127.0.0.1:1", "--", "true")


@pytest.mark.parametrize(
    ("words", "warned"),
    [
        (
            ("fd00::1:80",),
            ["svcc: warning: `fd00::1:80` is one address, without a port; port 80 of fd00::1 is [fd00::1]:80"],
        ),
        (("[fd00::1:80]",), []),
        (("[fd00::1]:80",), []),
        (("100.64.0.9", "--check", "none"), []),
    ],
)
def test_its_command_runs_and_an_address_that_ends_like_a_port_is_warned_of(
    words: tuple[str, ...], warned: list[str]
) -> None:
    done = program("register", "web", *words, *_AWAY)
    assert done.status == 0
    assert [line for line in done.err.splitlines() if "is not registered" not in line] == warned
