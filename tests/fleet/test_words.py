"""What commands of a fleet say of their own words, before etcd is asked."""

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


@pytest.mark.parametrize("time", ["0s", "500ms", "90s", "24h", "1d"])
def test_a_time_is_written_as_in_the_language(time: str) -> None:
    done = program("rollout", "1", "--soak", time, *_AWAY[:4])
    assert (done.status, "cannot be connected to" in done.err) == (3, True)


@pytest.mark.parametrize(
    ("time", "wrong"),
    [
        ("5", "`5` is no time: it is a whole number with its unit, ms, s, m, h or d: 5s"),
        ("1.5m", "`1.5m` is no time: it is a whole number with its unit, ms, s, m, h or d, such as 90s, 5m or 1h"),
        ("25h", "`25h` is longer than a day"),
    ],
)
def test_what_is_no_time_is_refused(time: str, wrong: str) -> None:
    done = program("rollout", "1", "--soak", time, *_AWAY[:4])
    assert (done.status, done.err.endswith(f"Invalid value for '--soak': {wrong}\n")) == (2, True)
