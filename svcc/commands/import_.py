"""``svcc import``: make a program from files of other software, and report what the program leaves out."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from errno import ELOOP
from pathlib import Path

import click

from svcc.compiler import ir
from svcc.compiler.checks import check
from svcc.compiler.codes import Code
from svcc.compiler.diagnostic import Diagnostic, has_errors
from svcc.compiler.files import Budget, Unreadable, named, resolved
from svcc.compiler.foreign_files import compiled_file
from svcc.compiler.importers import find, importers
from svcc.compiler.importers.interface import Broken, Imported, Importer
from svcc.compiler.importers.sound import sound
from svcc.compiler.include import read_text
from svcc.compiler.printing import program_text
from svcc.compiler.source import Source, Span
from svcc.compiler.suggest import did_you_mean, one_of
from svcc.completion import beginning
from svcc.exits import Exit
from svcc.help import examples
from svcc.import_report import report_json, report_text
from svcc.options import ParameterType, format_option, refuse
from svcc.output import put
from svcc.paths import FilePath, is_same_file, need_no_input
from svcc.targets.folder import write_files
from svcc.targets.refusals import refused_by_all

#: Kinds by other names that people use for them.
_OTHER_NAMES = {
    **dict.fromkeys(("ipvs", "lvs", "ipvsadm-save", "ipvsadm-restore"), "ipvsadm"),
    **dict.fromkeys(("k8s", "kube", "kubectl", "yaml"), "kubernetes"),
    **dict.fromkeys(("iptables-save", "ip6tables-save", "ip6tables", "kube-proxy"), "iptables"),
    **dict.fromkeys(("keepalived.conf", "vrrp"), "keepalived"),
}


class _Kind(ParameterType[Importer]):
    """An importer by the name of its kind. The choices are all importers."""

    name = "kind"

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:
        return "|".join(importers())

    def convert(self, value: str | Importer, param: click.Parameter | None, ctx: click.Context | None) -> Importer:
        if isinstance(value, Importer):
            return value
        found = find(value)
        if found is None:
            meant = _OTHER_NAMES.get(value.lower())
            guess = f"did you mean `{meant}`?" if meant in importers() else did_you_mean(value, importers())
            self.fail(f"no kind `{value}`: {guess or f'it is {one_of(importers())}'}", param, ctx)
        return found

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[click.shell_completion.CompletionItem]:
        return beginning(incomplete, {kind: importer.title for kind, importer in importers().items()})


_EXAMPLES = examples(
    "kubectl get svc,endpointslices,nodes -A -o yaml | svcc import kubernetes - > svc.dsl",
    "svcc import keepalived /etc/keepalived/keepalived.conf -o svc.dsl",
    "ipvsadm-save -n | svcc import ipvsadm -",
    more="Kinds:\n" + "\n".join(f"  {i.name:<12}{i.title}" for i in importers().values()),
)


@click.command("import", epilog=_EXAMPLES)
@click.argument("kind", type=_Kind())
@click.argument("files", metavar="FILE…", nargs=-1, required=True, type=FilePath(allow_dash=True))
@click.option(
    "-o", "--output", metavar="FILE", type=FilePath(dir_okay=False, path_type=Path), help="Write the program to FILE."
)
@click.option(
    "--report", metavar="FILE", type=FilePath(dir_okay=False, path_type=Path), help="Write the report to FILE."
)
@click.option("--json", "as_json", is_flag=True, help="Report as JSON.")
@format_option
def command(
    kind: Importer, files: tuple[str, ...], output: Path | None, report: Path | None, as_json: bool, form: str
) -> None:
    """Print a program that means what FILE… of another program mean, and report on standard error what it leaves out.

    Exit status 1 if anything was left out.
    """
    if output is not None and report is not None and is_same_file(output, report):
        raise click.UsageError("--output and --report are one file")
    need_no_input("--output", output, files)
    need_no_input("--report", report, files)
    imported = _imported(kind, _sources(files, form), form)
    said = json.dumps(report_json(kind.name, imported), indent=2) + "\n" if as_json else report_text(imported)
    text = program_text(imported.program, by_name=imported.by_name)
    write_texts({path: content for path, content in ((output, text), (report, said)) if path is not None})
    if output is None:
        put(text)
    if report is None:
        click.echo(said, err=True, nl=False)
    if imported.notes:
        sys.exit(Exit.DIFFERENT)


def _sources(files: Sequence[str], form: str) -> list[Source]:
    """Return the texts of all files; where a file cannot be read or is no text, the command ends here."""
    budget, sources, found = Budget(), list[Source](), list[Diagnostic]()
    for file in files:
        try:
            read = read_text("<stdin>" if file == "-" else file, budget.read(file))
        except Unreadable as error:
            read = Diagnostic(Code.UNREADABLE, f"cannot read {file}: {error}", file=file)
        if isinstance(read, Source):
            read = compiled_file(read) or read
        if isinstance(read, Source):
            sources.append(read)
        else:
            found.append(read)
    if found := found or _empty(sources):
        refuse(found, form)
    return sources


def _empty(sources: Sequence[Source]) -> list[Diagnostic]:
    """Return what is said of sources that are all empty. One of several may be: ip6tables-save prints nothing without
    rules.
    """
    if any(source.text.strip("\ufeff \t\r\n") for source in sources):
        return []
    hint = "did the command fail that should have printed it?"
    return [Diagnostic(Code.IMPORT, "the input is empty", Span(source, 0, 0), hint) for source in sources]


def _imported(kind: Importer, sources: Sequence[Source], form: str) -> Imported:
    try:
        return sound(kind.read(sources), findings)
    except Broken as broken:
        refuse(broken.diagnostics, form)


def findings(program: ir.Program) -> list[Diagnostic]:
    """Return what `svcc check` would call an error."""
    found = [*check(program)]
    return found if has_errors(found) else refused_by_all(program)


def write_texts(texts: dict[Path, str]) -> None:
    """Write all files or none. What is no regular file (a pipe, /dev/null) is written to, never replaced."""
    whole = {resolved(path): text for path, text in texts.items() if path.is_file() or not path.exists()}
    try:
        for path in whole:
            if path.is_symlink():  # a loop of links: no file is at its end
                raise OSError(ELOOP, os.strerror(ELOOP), str(path))
        write_files(whole)
        for path, text in texts.items():
            if resolved(path) not in whole:
                with named(path):
                    path.write_text(text, encoding="utf-8")
    except OSError as error:
        click.echo(f"svcc: cannot write {error.filename}: {error.strerror}", err=True)
        sys.exit(Exit.MACHINE)
