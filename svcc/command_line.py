"""The command line: which commands there are, how they are found, and how svcc ends."""

from __future__ import annotations

import errno
import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from keyword import iskeyword
from signal import SIGINT
from typing import IO, Any

import click

from svcc import __version__, signals
from svcc.exits import Exit
from svcc.help import Commands
from svcc.output import Output

#: The commands. Each is the module of its name in ``svcc.commands`` (with a `_` appended where the name is a keyword of
#: Python), and is imported when it is called.
COMMANDS = (
    "agent",
    "apply",
    "check",
    "compile",
    "confirm",
    "delete",
    "diff",
    "doctor",
    "explain",
    "export",
    "fleet",
    "fmt",
    "history",
    "import",
    "init",
    "lab",
    "lsp",
    "man",
    "plan",
    "publish",
    "register",
    "restore",
    "rollback",
    "rollout",
    "show",
    "status",
    "trace",
    "verify",
)


#: The status that a shell reports for a program that SIGPIPE ended. It is none of the codes in `Exit`.
_NO_READER = 141


class _NoReader(click.ClickException):
    """Nobody reads our output any more. click itself would exit with 1, which means that there are differences."""

    exit_code = _NO_READER

    def show(self, file: IO[Any] | None = None) -> None:
        _discard_output()


@contextmanager
def _noticing_readers() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError as error:
        raise _NoReader("") from error


class _Commands(Commands):
    """A group that finds commands by name without importing the others."""

    def make_context(self, *arguments: Any, **more: Any) -> click.Context:
        with _noticing_readers():
            return super().make_context(*arguments, **more)

    def invoke(self, ctx: click.Context) -> Any:
        with _noticing_readers():
            return super().invoke(ctx)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        module = f"{name}_" if iskeyword(name) else name
        command = import_module(f"svcc.commands.{module}").command
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        from svcc.compiler.suggest import did_you_mean

        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            hint = did_you_mean(args[0], COMMANDS)
            ctx.fail(f"no command `{args[0]}`" + (f": {hint}" if hint else ""))
        return super().resolve_command(ctx, args)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="svcc %(version)s")
def svcc() -> None:
    """Compile services (virtual addresses, ports, node ports and their endpoints) to Linux's own rule files."""


def main() -> None:
    """Run the command line. Whatever happens to the standard streams, there is an exit status and no traceback."""
    gc.disable()  # a command ends before cycles matter, and searching a large program for them takes a quarter of it
    if sys.stderr is None:  # the caller closed it
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    try:
        if sys.stdout is None:
            raise OSError(errno.EBADF, "standard output is closed")
        sys.stdout = Output.of(sys.stdout)
        status = _run()
    except BrokenPipeError:
        status = _NO_READER
        _discard_output()
    except OSError as error:
        status = Exit.MACHINE
        _report(error)
        _discard_output()
    except Exception as error:  # noqa: BLE001 - no error may end with the exit status of a difference
        status = _state_error(error) or _bug()
    sys.stdout.flush() if sys.stdout else None
    number = signals.noted_signal()
    if number is not None and status in (Exit.DONE, Exit.DIFFERENT):
        signals.end(number, ", when it was done")
    sys.exit(status)


def _run() -> int:
    try:
        status = svcc.main(prog_name="svcc", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort:
        return signals.status(SIGINT)
    return status if isinstance(status, int) else Exit.DONE


def _state_error(error: Exception) -> Exit | None:
    """Report that the state directory cannot be used, for any command. Return None for other errors."""
    from svcc.apply.state_files import StoreError

    if not isinstance(error, StoreError):
        return None
    with suppress(OSError):
        click.echo(f"svcc: {error}", err=True)
    return Exit.MACHINE


def _bug() -> Exit:
    """Report an error of svcc itself, with the traceback that its authors need.

    The exit status is one of its own: nobody shall take a bug for a wrong input, an unfit machine or a difference.
    """
    import traceback

    with suppress(OSError):
        click.echo(traceback.format_exc(), err=True, nl=False)
        click.echo("svcc: this is an error of svcc itself; please report it with the lines above", err=True)
    return Exit.BUG


def _report(error: OSError) -> None:
    what = f"{error.filename}: " if error.filename else "the current directory is gone: " if _is_nowhere() else ""
    with suppress(OSError):
        click.echo(f"svcc: {what}{error.strerror or error}", err=True)


def _is_nowhere() -> bool:
    """Whether the current directory does not exist any more."""
    try:
        os.getcwd()
    except OSError:
        return True
    return False


def _discard_output() -> None:
    """Redirect standard streams to /dev/null, so that Python's last flush of them cannot fail."""
    for number in (1, 2):
        with suppress(OSError):
            os.fstat(number)
            os.dup2(os.open(os.devnull, os.O_WRONLY), number)
