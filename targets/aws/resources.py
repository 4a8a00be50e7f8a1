"""The resources of a template, each with the properties that CloudFormation documents for its type."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, TypeAlias

Json: TypeAlias = "str | int | bool | list[Json] | dict[str, Json]"
_Properties: TypeAlias = dict[str, Json]


@dataclass(frozen=True, slots=True)
class Resource(ABC):
    """A resource of a template. ``id`` is its logical id, by which others refer to it."""

    type: ClassVar[str]
    id: str

    @abstractmethod
    def properties(self) -> _Properties:
        """Return the properties, as CloudFormation's reference of the resource type defines them."""


@dataclass(frozen=True, slots=True)
class LoadBalancer(Resource):
    """A load balancer.

    It has no ``Name``: CloudFormation could not replace a load balancer that has a name of its own.
    """

    type: ClassVar[str] = "AWS::ElasticLoadBalancingV2::LoadBalancer"
    kind: str  # application or network
    scheme: str
    subnets: tuple[str, ...]
    security_groups: tuple[str, ...]  # empty: the VPC's default
    tag: str
    address: str  # the id of the output with its DNS name

    def properties(self) -> _Properties:
        found: _Properties = {
            "Type": self.kind,
            "Scheme": self.scheme,
            "IpAddressType": "ipv4",
            "Subnets": [*self.subnets],
        }
        if self.security_groups:
            found["SecurityGroups"] = [*self.security_groups]
        return {**found, "Tags": _tags(self.tag)}

    def output(self) -> Json:
        """Return the template's output: the DNS name that the cloud gives the load balancer."""
        return {"Description": f"Where {self.tag} is reached", "Value": {"Fn::GetAtt": [self.id, "DNSName"]}}


@dataclass(frozen=True, slots=True)
class TargetGroup(Resource):
    """The instances of the nodes at one node port, where the cloud also checks their health."""

    type: ClassVar[str] = "AWS::ElasticLoadBalancingV2::TargetGroup"
    protocol: str  # HTTP, TCP or UDP
    port: int
    network: str
    instances: tuple[str, ...]
    tag: str

    def properties(self) -> _Properties:
        return {
            "TargetType": "instance",
            "IpAddressType": "ipv4",
            "Protocol": self.protocol,
            "Port": self.port,
            "VpcId": self.network,
            # a UDP port answers no check, so the cloud checks the group's port by TCP
            "HealthCheckProtocol": "HTTP" if self.protocol == "HTTP" else "TCP",
            "HealthCheckPort": "traffic-port",
            "Targets": [{"Id": instance} for instance in self.instances],
            "Tags": _tags(self.tag),
        }


@dataclass(frozen=True, slots=True)
class FixedResponse:
    """A response that a listener gives by itself."""

    status: int
    body: str | None

    def json(self) -> Json:
        """Return the action in CloudFormation's form."""
        found: dict[str, Json] = {"StatusCode": str(self.status), "ContentType": "text/plain"}
        if self.body is not None:
            found["MessageBody"] = self.body
        return {"Type": "fixed-response", "FixedResponseConfig": found}


@dataclass(frozen=True, slots=True)
class Forward:
    """The action that forwards requests to a target group."""

    group: str

    def json(self) -> Json:
        """Return the action in CloudFormation's form."""
        return {"Type": "forward", "TargetGroupArn": _ref(self.group)}


@dataclass(frozen=True, slots=True)
class Listener(Resource):
    """A port of a load balancer. ``default``: what happens to requests that match no rule."""

    type: ClassVar[str] = "AWS::ElasticLoadBalancingV2::Listener"
    balancer: str
    protocol: str
    port: int
    default: FixedResponse | Forward

    def properties(self) -> _Properties:
        return {
            "LoadBalancerArn": _ref(self.balancer),
            "Protocol": self.protocol,
            "Port": self.port,
            "DefaultActions": [self.default.json()],
        }


@dataclass(frozen=True, slots=True)
class ListenerRule(Resource):
    """Which paths go to a target group.

    Of the rules that match a request, the one with the smallest priority counts.
    """

    type: ClassVar[str] = "AWS::ElasticLoadBalancingV2::ListenerRule"
    listener: str
    priority: int
    paths: tuple[str, ...]
    to: Forward

    def properties(self) -> _Properties:
        condition: Json = {"Field": "path-pattern", "PathPatternConfig": {"Values": [*self.paths]}}
        return {
            "ListenerArn": _ref(self.listener),
            "Priority": self.priority,
            "Conditions": [condition],
            "Actions": [self.to.json()],
        }


def document(resources: Iterable[Resource]) -> str:
    """Return the template as text."""
    found = list(resources)
    template = {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": "Load balancers in front of node ports, compiled by svcc",
        "Resources": {one.id: {"Type": one.type, "Properties": one.properties()} for one in found},
        "Outputs": {one.address: one.output() for one in found if isinstance(one, LoadBalancer)},
    }
    return json.dumps(template, indent=2, ensure_ascii=False) + "\n"


def _ref(id: str) -> Json:
    return {"Ref": id}


def _tags(name: str) -> Json:
    return [{"Key": "Name", "Value": name}]
