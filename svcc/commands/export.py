"""``svcc export``: print what a cluster serves at this moment as a program.

The JSON Schema of its report is export.schema.json, in the folder above.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from svcc.commands.import_ import findings, write_texts
from svcc.compiler import ir
from svcc.compiler.importers.kubernetes.fields import written
from svcc.compiler.importers.kubernetes.followed import Event, Followed, Kind
from svcc.compiler.importers.kubernetes.remarks import Remark
from svcc.compiler.printing import program_text
from svcc.compiler.report import printable
from svcc.exits import Exit
from svcc.help import Commands, examples
from svcc.import_report import counts_json, summary
from svcc.output import put
from svcc.paths import FilePath, need_no_input
from svcc.state_options import fail, need_agent

if TYPE_CHECKING:
    from svcc.kubernetes_api.access import Access

_EXAMPLES = examples(
    "svcc export kubernetes --kubeconfig ~/.kube/config -o cluster.dsl",
    "svcc export kubernetes --in-cluster | svcc compile - --target nft --node worker-1",
)


@click.group("export", cls=Commands)
def command() -> None:
    """Print what another system serves at this moment as a program."""


@command.command("kubernetes", epilog=_EXAMPLES)
@click.option(
    "--kubeconfig",
    metavar="FILE",
    type=FilePath(dir_okay=False, path_type=Path),
    help="The kubeconfig of the cluster; $KUBECONFIG or ~/.kube/config unless given.",
)
@click.option("--context", metavar="NAME", help="The context of the kubeconfig; its current one unless given.")
@click.option("--in-cluster", is_flag=True, help="Read the cluster in which this runs as a pod.")
@click.option(
    "--service-proxy-name",
    "proxy",
    metavar="NAME",
    help="Take only the Services whose label service-proxy-name is NAME; without this option, those without the label.",
)
@click.option(
    "-o", "--output", metavar="FILE", type=FilePath(dir_okay=False, path_type=Path), help="Write the program to FILE."
)
@click.option("--json", "as_json", is_flag=True, help="Report as JSON.")
def kubernetes(
    kubeconfig: Path | None,
    context: str | None,
    in_cluster: bool,
    proxy: str | None,
    output: Path | None,
    as_json: bool,
) -> None:
    """Print a program that means what a cluster's Services, EndpointSlices and Nodes mean at this moment.

    What it leaves out is reported on standard error, as `svcc import kubernetes` does. Exit status 1 if anything was.
    """
    if in_cluster and (kubeconfig or context):
        raise click.UsageError("--in-cluster goes without a kubeconfig: a pod has an account of its own")
    need_no_input("--output", output, [] if in_cluster else [kubeconfig or _usual()])
    need_agent()
    followed = Followed(findings, proxy=proxy)
    followed.take(_events(_access(kubeconfig, context, in_cluster=in_cluster)))
    program, remarks = followed.program, followed.remarks
    text = program_text(program, by_name=True)
    if output is None:
        put(text)
    else:
        write_texts({output: text})
    said = json.dumps(_report_json(program, remarks), indent=2) if as_json else _report_text(program, remarks)
    click.echo(said, err=True)
    if remarks:
        sys.exit(Exit.DIFFERENT)


def _usual() -> Path:
    return Path(os.environ.get("KUBECONFIG") or os.path.expanduser("~/.kube/config"))


def _access(kubeconfig: Path | None, context: str | None, *, in_cluster: bool) -> Access:
    """Return how the cluster is reached; where nothing says it, the command ends here."""
    from svcc.kubernetes_api import access
    from svcc.kubernetes_api.errors import BadConfig
    from svcc.kubernetes_api.kubeconfig import read_kubeconfig

    try:
        return access.in_cluster() if in_cluster else read_kubeconfig(kubeconfig or _usual(), context)
    except BadConfig as error:
        fail(str(error), Exit.INPUT)


def _events(access: Access) -> list[Event]:
    """Return all objects of the cluster as events; where the cluster does not answer, the command ends here."""
    from svcc.kubernetes_api.errors import ApiError, BadConfig

    try:
        return asyncio.run(_asked(access))
    except BadConfig as error:
        fail(str(error), Exit.INPUT)
    except ApiError as error:
        fail(f"{access.server}: {error}", Exit.MACHINE)


async def _asked(access: Access) -> list[Event]:
    """Ask the cluster for its nodes, Services and EndpointSlices. Errors: ApiError."""
    from svcc.kubernetes_api.following import Lost, Whole, follow
    from svcc.kubernetes_api.http import Client
    from svcc.kubernetes_api.resources import ENDPOINT_SLICES, NODES, SERVICES

    kinds = {NODES: Kind.NODE, SERVICES: Kind.SERVICE, ENDPOINT_SLICES: Kind.ENDPOINT_SLICE}
    found: list[Event] = []
    async with Client(access, name="svcc") as client:
        for resource, kind in kinds.items():
            async for news in follow(client, resource, lambda one: one):
                if isinstance(news, Lost):
                    raise news.error
                if isinstance(news, Whole):
                    found += (Event(kind, one) for one in news.objects.values())
                    break
    return found


def _report_text(program: ir.Program, remarks: Sequence[Remark]) -> str:
    """Return a line for each remark, and a last line that counts."""
    return "\n".join([*map(_line, remarks), summary(program, len(remarks))])


def _line(remark: Remark) -> str:
    place = remark.place
    where = f" {written(place.path)}" if place.path else ""
    beside = f" (see {remark.related.object})" if remark.related else ""
    return printable(f"{place.object}{where}: not carried over: {remark.reason}{beside}")


def _report_json(program: ir.Program, remarks: Sequence[Remark]) -> dict[str, Any]:
    """Return the report as export.schema.json describes it."""
    notes = [
        {
            "object": remark.place.object,
            "field": written(remark.place.path) if remark.place.path else "",
            "reason": remark.reason,
            "usual": remark.usual,
            "clashes_with": remark.related.object if remark.related else None,
        }
        for remark in remarks
    ]
    return {"version": 1, **counts_json(program), "notes": notes}
