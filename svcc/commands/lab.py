"""``svcc lab``: build a program's pods, clients and node in network namespaces, to try things by hand."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterable
from typing import Any, NoReturn, TextIO

import click

from svcc import completion
from svcc.compiler import ir
from svcc.compiler.diagnostic import Diagnostic
from svcc.exits import Exit
from svcc.help import Commands, examples
from svcc.kernel.namespaces import NamespaceError
from svcc.kernel.tools import find as find_tool
from svcc.options import TargetName, file_argument, json_option, load_program, node_option, refuse
from svcc.output import put, put_json
from svcc.tables import folded, table
from svcc.targets.capability import pick_node
from svcc.targets.interface import Target
from svcc.verify.lab import NODE, sweep
from svcc.verify.lab.keeper import RunningLab, end, find, keep, kept_labs


def _name(_ctx: click.Context, _param: click.Parameter, given: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}", given):
        raise click.BadParameter(f"`{given}` cannot be a lab's name: letters, digits, `_`, `.` and `-` can")
    return given


_name_option = click.option(
    "--name",
    default="lab",
    show_default=True,
    callback=_name,
    shell_complete=completion.labs,
    help="The lab's name, where there are several.",
)


@click.group("lab", cls=Commands)
def command() -> None:
    """A node with a bridge, a pod with a server per endpoint, and clients, in network namespaces of their own.

    Nothing of it is in the machine's own network namespace. Rules are yours to load:

        svcc compile FILE --target nft | svcc lab exec node nft -j -f -
    """


@command.command("up", epilog=examples("svcc lab up svc.dsl", "svcc lab up svc.dsl --apply nft"))
@file_argument
@node_option
@_name_option
@click.option("--apply", "target", type=TargetName(loaded=True), help="Apply FILE in its node, for this target.")
@json_option
def up(file: str, node: str | None, name: str, target: Target | None, as_json: bool) -> None:
    """Build the lab of FILE; it stays until `svcc lab down`.

    Without --apply no rules are loaded: `svcc lab exec node svcc apply FILE
    --target T` loads them. What svcc applies in a lab is kept apart from what
    it applies on the machine.
    """
    program = load_program(file, "text", quiet=True)
    chosen = pick_node(program, node, file)
    if isinstance(chosen, Diagnostic):
        refuse([chosen], "text")
    try:
        kept = keep(name, file, node)
    except NamespaceError as error:
        _fail(str(error))
    if target is not None:
        _apply(kept, file, target, chosen, out=sys.stderr if as_json else sys.stdout)
    _show([kept], as_json=as_json)


def _apply(kept: RunningLab, file: str, target: Target, node: ir.Node | None, *, out: TextIO) -> None:
    """Apply a file in a lab's node. Where that fails, take the lab down, and end the command with the apply's
    status."""
    named = ["--node", node.name] if node is not None else []
    done = subprocess.run(
        [*_inside(kept, NODE), sys.executable, "-P", "-m", "svcc", "apply", file, "--target", target.name, *named],
        stdin=subprocess.DEVNULL,
        stdout=out,
        env=_environment(kept),
        check=False,
    )
    if done.returncode != Exit.DONE:
        end(kept)
        sys.exit(done.returncode)


def _inside(kept: RunningLab, host: str) -> list[str]:
    """Return the words that run a command on a host, to be put before it. Errors: LabError where the lab has no such
    host."""
    nsenter = find_tool("nsenter")
    if nsenter is None:
        _fail("nsenter is not installed: apt-get install util-linux")
    return [nsenter, f"--net={kept.path(host)}", "--"]


def _environment(kept: RunningLab) -> dict[str, str]:
    """Return the environment of a command in a lab: svcc has a state directory of its own there."""
    return {**os.environ, "SVCC_STATE_DIR": str(kept.state_dir)}


@command.command("down", epilog=examples("svcc lab down"))
@_name_option
def down(name: str) -> None:
    """Take the lab apart, and whatever a crash left of others."""
    kept = find(name)
    if kept is not None:
        end(kept)
    sweep()


@command.command("status", epilog=examples("svcc lab status"))
@json_option
def status(as_json: bool) -> None:
    """List the labs that are up, with their hosts and addresses."""
    _show(kept_labs(), as_json=as_json)


def _show(labs: Iterable[RunningLab], *, as_json: bool) -> None:
    if as_json:
        put_json({"labs": [_as_json(kept) for kept in labs]})
        return
    for kept in labs:
        _print(kept)


def _as_json(kept: RunningLab) -> dict[str, Any]:
    hosts = {host: [*addresses] for host, (_, addresses) in kept.hosts.items()}
    return {"name": kept.name, "file": kept.file, "process": kept.pid, "hosts": hosts}


@command.command(
    "exec",
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
    epilog=examples("svcc lab exec client curl -s http://198.19.10.0:8080/", "svcc lab exec node nft list ruleset"),
)
@click.argument("host", shell_complete=completion.lab_hosts)
@click.argument("argv", nargs=-1, required=True, metavar="CMD...")
@_name_option
def execute(host: str, argv: tuple[str, ...], name: str) -> None:
    """Run CMD on a host: node, client, stranger, peer, outside, or a pod.

    Pods are pod-1, pod-2, … in the order of their addresses; an address does
    as well. Only the network is the host's: files and processes are those of
    the machine.
    """
    kept = find(name)
    if kept is None:
        _fail(f"no lab {name} is up: svcc lab up FILE")
    try:
        begin = _inside(kept, host)
    except NamespaceError as error:
        click.echo(f"svcc: {error}", err=True)
        sys.exit(Exit.INPUT)
    os.execve(begin[0], [*begin, *argv], _environment(kept))


def _print(kept: RunningLab) -> None:
    rows = [(host, " ".join(addresses)) for host, (_, addresses) in kept.hosts.items()]
    lines = folded(f"{kept.name} ({kept.file}), kept by process {kept.pid}", "    ")
    lines += table(("host", "addresses"), rows, about=1)
    put("".join(f"{line}\n" for line in lines))


def _fail(message: str) -> NoReturn:
    click.echo(f"svcc: {message}", err=True)
    sys.exit(Exit.MACHINE)
