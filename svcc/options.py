"""Options and arguments that several commands have, and how their values become programs, targets and nodes."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from functools import wraps
from math import isnan
from typing import TYPE_CHECKING, Any, NoReturn

import click

from svcc import completion
from svcc.compiler import ir
from svcc.compiler.diagnostic import Diagnostic, Severity
from svcc.compiler.report import FORMATS, as_text, in_order
from svcc.compiler.suggest import did_you_mean, one_of
from svcc.exits import Exit
from svcc.output import put
from svcc.paths import FilePath
from svcc.targets import find, targets
from svcc.targets.interface import Target

if TYPE_CHECKING:
    ParameterType = click.ParamType
else:

    class ParameterType(click.ParamType):
        """click's own class, with a type in brackets, which click allows only from 8.4 on."""

        def __class_getitem__(cls, _: type) -> type:
            return cls


#: How many codes of findings are named in the hint to ``svcc explain``.
_EXPLAINED = 3
#: Targets by other names that people use for them.
_OTHER_NAMES = {
    **dict.fromkeys(("nftables", "nf_tables", "nf-tables"), "nft"),
    **dict.fromkeys(("xtables", "ip6tables", "iptables-nft", "iptables-legacy"), "iptables"),
    **dict.fromkeys(("lvs", "ipvsadm", "ip_vs", "ipset"), "ipvs"),
    "json": "ir",
}


class TargetName(ParameterType[Target]):
    """A target by its name. The choices are all targets, or those that a kernel loads."""

    name = "target"

    def __init__(self, *, loaded: bool = False) -> None:
        self._loaded = loaded

    def _choices(self) -> list[str]:
        return [name for name, target in targets().items() if target.loads or not self._loaded]

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:
        return "|".join(self._choices())

    def get_missing_message(self, param: click.Parameter, ctx: click.Context | None = None) -> str:
        return f"It is {one_of(self._choices())}."

    def convert(self, value: str | Target, param: click.Parameter | None, ctx: click.Context | None) -> Target:
        if isinstance(value, Target):
            return value
        found = find(value)
        if found is None:
            meant = _OTHER_NAMES.get(value.lower())
            guess = f"did you mean `{meant}`?" if meant in self._choices() else did_you_mean(value, self._choices())
            hint = guess or f"it is {one_of(self._choices())}"
            self.fail(f"no target `{value}`: {hint}", param, ctx)
        if self._loaded and not found.loads:
            able = one_of(self._choices())
            tools = one_of([f"`{part.tool}`" for part in found.parts], "and")
            message = f"`{value}` is {found.title}, which no kernel loads ({tools} takes it): choose {able}"
            self.fail(message, param, ctx)
        return found

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[click.shell_completion.CompletionItem]:
        return completion.beginning(incomplete, dict.fromkeys(self._choices(), ""))


class SingleOption(click.Option):
    """An option that has one value. click takes the last of several, and what was meant remains open."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **(more | {"multiple": True}))

    def process_value(self, ctx: click.Context, value: Any) -> Any:
        """Return the one value. Errors: UsageError, where several differ."""
        values = super().process_value(ctx, value) or (None,)
        if len(set(values)) > 1:
            given = one_of([f"{self.opts[0]} {one}" for one in value], "and")
            raise click.UsageError(f"{given}: choose one")
        return values[-1]


file_argument = click.argument("file", type=FilePath(allow_dash=True))
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
target_option = click.option(
    "-t", "--target", cls=SingleOption, type=TargetName(), required=True, help="What to compile to."
)
loaded_target_option = click.option(
    "-t", "--target", cls=SingleOption, type=TargetName(loaded=True), required=True, help="What serves here."
)
node_option = click.option(
    "-n",
    "--node",
    cls=SingleOption,
    metavar="NODE",
    shell_complete=completion.nodes,
    help="The machine, where the file declares several.",
)


class FloatRange(click.FloatRange):
    """A number within a range. click's own type accepts `nan`, which is in no range."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        number = super().convert(value, param, ctx)
        if isnan(number):
            self.fail(f"`{value}` is no number", param, ctx)
        return number


_interval_option = click.option(
    "--interval",
    type=FloatRange(0.1, 86_400),
    metavar="SECONDS",
    default=2.0,
    show_default=True,
    help="With --watch: how many seconds it waits before it looks again.",
)
format_option = click.option(
    "--format",
    "form",
    type=click.Choice(list(FORMATS)),
    default="text",
    show_default=True,
    help="How diagnostics are printed.",
)


def refuse_given(goes_with: str, *names: str) -> None:
    """Refuse options of the command line that mean nothing here; a variable of the environment is for many commands.

    ``names``: of the parameters. ``goes_with``: what they mean something with. Errors: UsageError.
    """
    ctx = click.get_current_context()
    for option in ctx.command.params:
        if option.name in names and ctx.get_parameter_source(option.name) is click.core.ParameterSource.COMMANDLINE:
            raise click.UsageError(f"{max(option.opts, key=len)} goes with {goes_with}")


def chosen_format(form: str, *, as_json: bool) -> str:
    """Return the format of --format, where --json stands for one of them. Errors: UsageError, where both contradict."""
    given = click.get_current_context().get_parameter_source("form") is not click.core.ParameterSource.DEFAULT
    if as_json and given and form != "json":
        raise click.UsageError(f"--json and --format {form}: choose one")
    return "json" if as_json else form


quiet_option = click.option("-q", "--quiet", is_flag=True, help="Print no warnings.")


def tell(diagnostics: Sequence[Diagnostic], form: str, *, quiet: bool = False, to_stdout: bool = False) -> None:
    """Print diagnostics to stderr; to stdout where they are the command's result for a machine to read."""
    if quiet:
        diagnostics = [d for d in diagnostics if d.severity is Severity.ERROR]
    if form != "text" and to_stdout:
        put(FORMATS[form](diagnostics))
    elif form != "text":
        click.echo(FORMATS[form](diagnostics), err=True, nl=False)
    elif diagnostics and sys.stderr.isatty() and not os.environ.get("NO_COLOR"):
        _tell_in_colour(diagnostics)
    elif diagnostics:
        click.echo(as_text(diagnostics), err=True, nl=False)
    if diagnostics and form == "text" and sys.stderr.isatty():
        click.echo(_more(diagnostics), err=True)


def _more(diagnostics: Sequence[Diagnostic]) -> str:
    """Say where to read on, for a person at a terminal."""
    codes = list(dict.fromkeys(diagnostic.code.id for diagnostic in in_order(diagnostics)))
    return f"\nsvcc explain {' '.join(codes[:_EXPLAINED])} says more."


def _tell_in_colour(diagnostics: Sequence[Diagnostic]) -> None:
    from rich.console import Console
    from rich.text import Text

    text = Text(as_text(diagnostics))
    text.highlight_regex(r"(?m)^error\[SVC\d+\]", "bold red")
    text.highlight_regex(r"(?m)^warning\[SVC\d+\]", "bold yellow")
    text.highlight_regex(r"(?m)^ *\d* \|", "blue")
    text.highlight_regex(r"(?m)^ *(-->|:::)", "blue")
    text.highlight_regex(r"(?m)(?<=\| )[ \t]*\^+", "bold red")
    text.highlight_regex(r"(?m)^ *= hint:", "cyan")
    Console(stderr=True, soft_wrap=True).print(text, end="")


def refuse(diagnostics: Sequence[Diagnostic], form: str, *, quiet: bool = False) -> NoReturn:
    """Print diagnostics, an error among them, and end the command."""
    tell(diagnostics, form, quiet=quiet)
    sys.exit(Exit.INPUT)


def load_program(file: str, form: str, *, quiet: bool = False) -> ir.Program:
    """Return the program in a file; where it has errors, the command ends here."""
    from svcc.compiler.load import load

    loaded = load(file)
    if loaded.program is None:
        refuse(loaded.diagnostics, form, quiet=quiet)
    tell(loaded.diagnostics, form, quiet=quiet)
    return loaded.program


def watch_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add --watch and --interval, for a command that can look again and again."""

    @wraps(command)
    def watching(*, watch: bool, **arguments: Any) -> None:
        if not watch:
            refuse_given("--watch", "interval")
        command(watch=watch, **arguments)

    option = click.option("--watch", is_flag=True, help="Look again and again, until it is interrupted.")
    return option(_interval_option(watching))
