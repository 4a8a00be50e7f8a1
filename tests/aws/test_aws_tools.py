"""What others say of target aws' templates: cfn-lint, and moto, a mock of the cloud that creates what they describe.

The steps of the cloud are those that one would take by hand with ``aws elbv2``: here its answers are looked at.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from support.files import EXAMPLES, GOLDEN
from svcc.compiler import ir
from svcc.compiler.load import load
from svcc.targets import targets
from svcc.targets.capability import check_target

_AWS = targets()["aws"]
_TEMPLATES = sorted((GOLDEN / "aws").rglob("aws.json"))
_REGION = "us-west-2"


@pytest.mark.parametrize("path", _TEMPLATES, ids=lambda path: path.parent.name)
def test_cfn_lint_accepts_every_golden_template(path: Path) -> None:
    done = subprocess.run(["cfn-lint", "--regions", _REGION, "--", path], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_there_are_golden_templates() -> None:
    assert _TEMPLATES


def test_cfn_lint_finds_what_is_wrong(tmp_path: Path) -> None:
    """Else its silence would mean nothing."""
    template = json.loads(_TEMPLATES[0].read_text())
    group = next(one for one in template["Resources"].values() if one["Type"].endswith("TargetGroup"))
    group["Properties"]["TargetType"] = "instances"
    path = tmp_path / "aws.json"
    path.write_text(json.dumps(template))
    done = subprocess.run(["cfn-lint", "--", path], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "'instances' is not one of" in done.stdout


class Cloud:
    """A mock cloud with a network of two subnets, a security group and an instance."""

    def __init__(self) -> None:
        ec2 = boto3.resource("ec2", region_name=_REGION)
        self.elb = boto3.client("elbv2", region_name=_REGION)
        self.formation = boto3.client("cloudformation", region_name=_REGION)
        self.network = ec2.create_vpc(CidrBlock="10.0.0.0/16")
        self.subnets = tuple(
            self.network.create_subnet(CidrBlock=f"10.0.{i}.0/24", AvailabilityZone=f"{_REGION}{zone}").id
            for i, zone in enumerate("ab")
        )
        self.group = self.network.create_security_group(GroupName="web", Description="web").id
        images = boto3.client("ec2", region_name=_REGION).describe_images()["Images"]
        made = ec2.create_instances(ImageId=images[0]["ImageId"], MinCount=1, MaxCount=1, SubnetId=self.subnets[0])
        self.instances = tuple(one.id for one in made)

    def program(self) -> ir.Program:
        """The example, in this network and on these instances."""
        path = next(path for path in EXAMPLES if path.stem == "load-balancer")
        program = load(str(path)).program
        assert program is not None
        nodes = tuple(replace(node, instance=one) for node, one in zip(program.nodes, self.instances, strict=True))
        # moto makes an application load balancer of each, whatever its Type: cfn-lint alone sees the others
        balancers = tuple(self._moved(b) for b in program.balancers if b.kind is ir.BalancerKind.APPLICATION)
        return replace(program, nodes=nodes, balancers=balancers)

    def _moved(self, balancer: ir.Balancer) -> ir.Balancer:
        subnets = self.subnets[: len(balancer.subnets)]
        security = (self.group,) if balancer.security else ()
        return replace(balancer, network=self.network.id, subnets=subnets, security=security)

    def template(self, program: ir.Program) -> str:
        assert check_target(program, _AWS, None) == []
        return _AWS.render(program, None).artifacts[0].text

    def create(self, program: ir.Program) -> None:
        self.formation.create_stack(StackName="svcc", TemplateBody=self.template(program))

    def update(self, program: ir.Program) -> None:
        self.formation.update_stack(StackName="svcc", TemplateBody=self.template(program))

    def balancer(self) -> dict[str, Any]:
        found: list[dict[str, Any]] = self.elb.describe_load_balancers()["LoadBalancers"]
        [only] = found
        return only

    def groups(self) -> dict[int, dict[str, Any]]:
        """The target groups of a load balancer by their port."""
        arn = self.balancer()["LoadBalancerArn"]
        return {one["Port"]: one for one in self.elb.describe_target_groups(LoadBalancerArn=arn)["TargetGroups"]}

    def listeners(self) -> dict[int, dict[str, Any]]:
        arn = self.balancer()["LoadBalancerArn"]
        return {one["Port"]: one for one in self.elb.describe_listeners(LoadBalancerArn=arn)["Listeners"]}

    def rules(self, listener: dict[str, Any]) -> dict[tuple[str, ...], str]:
        """The target group of each rule but the default one, by the rule's paths."""
        rules = self.elb.describe_rules(ListenerArn=listener["ListenerArn"])["Rules"]
        return {
            tuple(rule["Conditions"][0]["PathPatternConfig"]["Values"]): rule["Actions"][0]["TargetGroupArn"]
            for rule in rules
            if not rule["IsDefault"]
        }


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", _REGION)
    with mock_aws():
        yield Cloud()


def test_the_load_balancer_is_there(cloud: Cloud) -> None:
    cloud.create(cloud.program())
    found = cloud.balancer()
    assert found["Scheme"] == "internet-facing"
    assert found["VpcId"] == cloud.network.id
    assert {zone["SubnetId"] for zone in found["AvailabilityZones"]} == set(cloud.subnets)
    assert found["SecurityGroups"] == [cloud.group]
    [stack] = cloud.formation.describe_stacks(StackName="svcc")["Stacks"]
    outputs = {one["OutputKey"]: one["OutputValue"] for one in stack["Outputs"]}
    assert outputs["AddressPublic"] == found["DNSName"]


def test_target_groups_ask_the_node_port_of_every_instance(cloud: Cloud) -> None:
    program = cloud.program()
    cloud.create(program)
    resources = json.loads(cloud.template(program))["Resources"].values()
    described = [one["Properties"] for one in resources if "Targets" in one["Properties"]]
    wanted = {properties["Port"]: properties["Targets"] for properties in described}
    groups = cloud.groups()
    assert set(groups) == {65509, 65510}
    for port, group in groups.items():
        assert (group["Protocol"], group["HealthCheckPort"]) == ("HTTP", "traffic-port")
        assert (group["TargetType"], group["VpcId"]) == ("instance", cloud.network.id)
        # moto leaves the Targets of a template out: they are registered as CloudFormation would
        cloud.elb.register_targets(TargetGroupArn=group["TargetGroupArn"], Targets=wanted[port])
        health = cloud.elb.describe_target_health(TargetGroupArn=group["TargetGroupArn"])
        targets = {(one["Target"]["Id"], one["Target"]["Port"]) for one in health["TargetHealthDescriptions"]}
        assert targets == {(instance, port) for instance in cloud.instances}


def test_the_listener_answers_503_and_its_rules_know_the_paths(cloud: Cloud) -> None:
    cloud.create(cloud.program())
    listeners = cloud.listeners()
    assert set(listeners) == {80}
    [action] = listeners[80]["DefaultActions"]
    assert action["Type"] == "fixed-response"
    assert action["FixedResponseConfig"] == {
        "StatusCode": "503",
        "ContentType": "text/plain",
        "MessageBody": "Retry later",
    }
    groups = cloud.groups()
    assert cloud.rules(listeners[80]) == {
        ("/", "/svc1", "/service1"): groups[65509]["TargetGroupArn"],
        ("/svc2",): groups[65510]["TargetGroupArn"],
        ("/svc2/*",): groups[65510]["TargetGroupArn"],
    }


def test_a_path_more_replaces_nothing_but_its_rule(cloud: Cloud) -> None:
    program = cloud.program()
    cloud.create(program)
    before = _physical(cloud)
    [public] = program.balancers
    first, *others = public.routes
    more = replace(public, routes=(replace(first, paths=(*first.paths, "/new")), *others))
    cloud.update(replace(program, balancers=(more,)))
    after = _physical(cloud)
    assert before.keys() == after.keys()
    assert {id for id in before if before[id] != after[id] and not id.startswith("Rule")} == set()
    assert ("/", "/svc1", "/service1", "/new") in cloud.rules(cloud.listeners()[80])


def _physical(cloud: Cloud) -> dict[str, str]:
    """What the cloud calls each resource, by its logical id."""
    resources = cloud.formation.list_stack_resources(StackName="svcc")["StackResourceSummaries"]
    return {one["LogicalResourceId"]: one["PhysicalResourceId"] for one in resources}
