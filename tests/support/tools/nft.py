"""The nft releases that svcc's output is checked with, each in a network namespace of its own.

``installed`` is this machine's nft (1.0.6 on Debian 12); the others are Debian's releases, and are not installed.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable
from ctypes import CDLL, get_errno
from functools import cache

from nftables import Nftables

from support.tools import debs

#: The names that :func:`nft` accepts; :func:`version` says their versions.
RELEASES = ("installed", "trixie", "sid")

_CLONE_NEWNET, _CLONE_NEWUSER = 0x40000000, 0x10000000  # linux/sched.h


@cache
def nft(release: str) -> tuple[str, ...]:
    """Return the words that run nft of a release, in the caller's namespace. Errors: NoDebs."""
    return ("nft",) if release == "installed" else tuple(debs.argv(release, "nftables", "nft"))


@cache
def version(release: str) -> str:
    """Return the version number that nft of a release prints, such as ``1.0.6``."""
    printed = subprocess.run(
        [*nft(release), "--version"], env=_environment(), capture_output=True, text=True, check=True
    )
    return printed.stdout.split()[1].removeprefix("v")


def run(release: str, *arguments: str, text: str = "") -> subprocess.CompletedProcess[str]:
    """Run nft of a release with arguments and standard input, in a network namespace that ends with it."""
    own = ["unshare", "-n"] if os.geteuid() == 0 else ["unshare", "-rn"]
    command = [*own, "--", *nft(release), *arguments]
    return subprocess.run(command, input=text, env=_environment(), capture_output=True, text=True, check=False)


def check(release: str, text: str) -> str:
    """Return what nft of a release says against a JSON document ("" where it would load it), by a dry run."""
    done = run(release, "--json", "--check", "--file", "-", text=text)
    return "" if done.returncode == 0 and not done.stderr else f"exit status {done.returncode}: {done.stderr}"


def load(release: str, text: str) -> str:
    """Return the kernel's tables after nft of a release loaded a JSON document, as ``nft list ruleset`` prints them.

    Raises :class:`subprocess.CalledProcessError` where it does not load.
    """
    own = ["unshare", "-n"] if os.geteuid() == 0 else ["unshare", "-rn"]
    script = '"$@" --json --file - >&2 && "$@" list ruleset'
    command = [*own, "--", "sh", "-c", script, "sh", *nft(release)]
    return subprocess.run(command, input=text, env=_environment(), capture_output=True, text=True, check=True).stdout


def listing(release: str, text: str, *, json: bool) -> str:
    """Return what nft of a release lists, as JSON with numbers, after it loaded a text in JSON or in its own language.

    Raises :class:`subprocess.CalledProcessError` where it does not load.
    """
    own = ["unshare", "-n"] if os.geteuid() == 0 else ["unshare", "-rn"]
    script = f'"$@" {"--json" if json else ""} --file - >&2 && "$@" --json --numeric list ruleset'
    command = [*own, "--", "sh", "-c", script, "sh", *nft(release)]
    return subprocess.run(command, input=text, env=_environment(), capture_output=True, text=True, check=True).stdout


def check_json(text: str) -> str:
    """Return what the machine's libnftables and kernel say against a JSON document ("" where it loads).

    The document is really loaded, into a namespace that ends with it, without starting a program: 5 ms, for property
    tests. The library runs in a forked child, so that a crash of it is an answer, too.
    """
    return _in_child(lambda: _load_with_library(text))


def _load_with_library(text: str) -> str:
    library = Nftables()
    library.set_json_output(True)
    status, _, errors = library.cmd(text)
    return "" if status == 0 and not errors else f"exit status {status}: {errors}"


def _in_child(answer: Callable[[], str]) -> str:
    """Return ``answer()``, called in a child process within a network namespace of its own."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        _answer_and_end(answer, writer)
    os.close(writer)
    with open(reader, encoding="utf-8") as pipe:
        text = pipe.read()
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return f"ended by {signal.Signals(os.WTERMSIG(status)).name}"
    return text


def _answer_and_end(answer: Callable[[], str], writer: int) -> None:
    try:
        libc = CDLL(None, use_errno=True)
        if libc.unshare(_CLONE_NEWNET | (0 if os.geteuid() == 0 else _CLONE_NEWUSER)) != 0:
            raise OSError(get_errno(), "unshare: " + os.strerror(get_errno()))
        text = answer()
    except BaseException as error:  # noqa: BLE001 - the parent is told, and this process must not go on
        text = f"{type(error).__name__}: {error}"
    os.write(writer, text.encode())
    os._exit(0)


def _environment() -> dict[str, str]:
    path = os.environ.get("PATH", "")
    return dict(os.environ, LC_ALL="C", PATH=f"{path}:/usr/sbin:/sbin")  # a user's PATH has no sbin on Debian
