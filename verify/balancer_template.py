"""A template of cloud load balancers, read for what its listeners do with a request of HTTP.

It reads the text as the cloud does, and asks nobody what it was made of (AWS CloudFormation template reference,
AWS::ElasticLoadBalancingV2).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

_TYPE = "AWS::ElasticLoadBalancingV2::"


class NotFollowed(Exception):
    """The template has something that is not known here; the message says what."""


@dataclass(frozen=True, slots=True)
class Group:
    """Instances that requests go to, and how each is asked whether it serves."""

    id: str
    port: int
    instances: tuple[str, ...]
    by_http: bool  # True: GET / has to be answered by 200; False: a connection is enough


@dataclass(frozen=True, slots=True)
class Rule:
    """Of the rules that a path fits, the one with the smallest priority counts."""

    priority: int
    patterns: tuple[re.Pattern[str], ...]
    group: str

    def fits(self, path: str) -> bool:
        """Whether a request's path fits one of the patterns."""
        return any(pattern.fullmatch(path) for pattern in self.patterns)


@dataclass(frozen=True, slots=True)
class Listener:
    """``status`` and ``body`` answer what fits no rule."""

    balancer: str
    port: int
    status: int
    body: str
    rules: list[Rule] = field(default_factory=list)  # by priority

    def group_of(self, path: str) -> str | None:
        """The group that a path goes to; None where no rule fits it."""
        return next((rule.group for rule in self.rules if rule.fits(path)), None)


@dataclass(frozen=True, slots=True)
class Template:
    """What a template's load balancers do with HTTP."""

    listeners: tuple[Listener, ...]  # those for HTTP
    groups: Mapping[str, Group]


def read(text: str) -> Template:
    """Errors: NotFollowed."""
    try:
        resources = json.loads(text)["Resources"]
        groups = {id: _group(id, properties) for id, properties in _of_type(resources, "TargetGroup")}
        listeners = {
            id: _listener(properties)
            for id, properties in _of_type(resources, "Listener")
            if properties["Protocol"] == "HTTP"
        }
        for id, properties in _of_type(resources, "ListenerRule"):
            listeners[properties["ListenerArn"]["Ref"]].rules.append(_rule(id, properties, groups))
    except (KeyError, TypeError, ValueError) as error:
        raise NotFollowed(f"not a template that is followed here: {error!r}") from None
    for listener in listeners.values():
        listener.rules.sort(key=lambda rule: rule.priority)
    return Template(tuple(listeners.values()), groups)


def _of_type(resources: Mapping[str, Any], kind: str) -> Iterator[tuple[str, Any]]:
    return ((id, one["Properties"]) for id, one in resources.items() if one["Type"] == _TYPE + kind)


def _group(id: str, properties: Any) -> Group:
    if properties["TargetType"] != "instance" or properties["HealthCheckPort"] != "traffic-port":
        raise NotFollowed(f"{id} has targets or checks that are not followed here")
    instances = tuple(target["Id"] for target in properties["Targets"])
    return Group(id, properties["Port"], instances, properties["HealthCheckProtocol"] == "HTTP")


def _listener(properties: Any) -> Listener:
    (action,) = properties["DefaultActions"]
    answer = action["FixedResponseConfig"]
    return Listener(
        properties["LoadBalancerArn"]["Ref"],
        properties["Port"],
        int(answer["StatusCode"]),
        answer.get("MessageBody", ""),
    )


def _rule(id: str, properties: Any, groups: Mapping[str, Group]) -> Rule:
    (condition,), (action,) = properties["Conditions"], properties["Actions"]
    if condition["Field"] != "path-pattern" or action["Type"] != "forward":
        raise NotFollowed(f"{id} is no rule of paths that forwards")
    patterns = tuple(map(_pattern, condition["PathPatternConfig"]["Values"]))
    return Rule(properties["Priority"], patterns, groups[action["TargetGroupArn"]["Ref"]].id)


def _pattern(text: str) -> re.Pattern[str]:
    """``*`` is any characters, none among them, ``?`` any one; case counts."""
    parts = (".*" if sign == "*" else "." if sign == "?" else re.escape(sign) for sign in text)
    return re.compile("".join(parts), re.DOTALL)
