"""The manifests in examples/kubernetes/: rights for what the agent asks, and a command line that it understands."""

from __future__ import annotations

from typing import Any

import click
import yaml

from support.tools.project import ROOT
from svcc.command_line import svcc
from svcc.kubernetes_api.resources import ENDPOINT_SLICES, NODES, SERVICES

_FOLDER = ROOT / "examples" / "kubernetes"


def manifests(name: str) -> dict[str, dict[str, Any]]:
    """The objects of a file, by kind."""
    return {one["kind"]: one for one in yaml.safe_load_all((_FOLDER / name).read_text())}


def test_the_rights_are_those_to_what_is_followed() -> None:
    rules = manifests("rights.yaml")["ClusterRole"]["rules"]
    given = {
        (group, resource, verb)
        for rule in rules
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    assert given == {
        (one.group, one.plural, verb) for one in (SERVICES, ENDPOINT_SLICES, NODES) for verb in ("list", "watch")
    }


def test_the_account_is_the_one_that_runs() -> None:
    found = manifests("rights.yaml")
    pod = manifests("agent.yaml")["DaemonSet"]["spec"]["template"]["spec"]
    account = found["ServiceAccount"]["metadata"]
    (subject,) = found["ClusterRoleBinding"]["subjects"]
    assert (subject["name"], subject["namespace"]) == (account["name"], account["namespace"])
    assert pod["serviceAccountName"] == account["name"]
    assert found["ClusterRoleBinding"]["roleRef"]["name"] == found["ClusterRole"]["metadata"]["name"]


def test_the_command_line_is_understood() -> None:
    (container,) = manifests("agent.yaml")["DaemonSet"]["spec"]["template"]["spec"]["containers"]
    program, group, *words = container["command"]
    assert (program, group) == ("svcc", "agent")
    command = svcc.get_command(click.Context(svcc), group)
    assert isinstance(command, click.Group)
    run = command.commands["run"]
    parameters = run.make_context("run", [*words]).params
    assert parameters["kubernetes"] == "in-cluster"
    assert parameters["node"] == f"$({container['env'][0]['name']})"
    assert parameters["listen"] == ("127.0.0.1", 9631)
