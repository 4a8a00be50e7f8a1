"""Reads a template of cloud load balancers, to find out what its listeners do with an HTTP request.

It reads the text as the cloud does, and knows nothing of the program it was made from (AWS CloudFormation template
reference, AWS::ElasticLoadBalancingV2).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

_TYPE = "AWS::ElasticLoadBalancingV2::"


class NotFollowed(Exception):
    """The template has something that this module does not know; the message says what."""


@dataclass(frozen=True, slots=True)
class Group:
    """The instances of a target group, and how their health is checked."""

    id: str
    port: int
    instances: tuple[str, ...]
    by_http: bool  # True: they have to answer GET / with 200; False: a connection is enough


@dataclass(frozen=True, slots=True)
class Rule:
    """A listener rule. Of the rules that fit a path, the one with the smallest priority counts."""

    priority: int
    patterns: tuple[re.Pattern[str], ...]
    group: str

    def fits(self, path: str) -> bool:
        """Whether a request's path fits one of the patterns."""
        return any(pattern.fullmatch(path) for pattern in self.patterns)


@dataclass(frozen=True, slots=True)
class Listener:
    """A listener. It answers requests that fit no rule with ``status`` and ``body``."""

    balancer: str
    port: int
    status: int
    body: str
    rules: list[Rule] = field(default_factory=list)  # in the order of priority

    def group_of(self, path: str) -> str | None:
        """Return the group that a path goes to. Return None where no rule fits it."""
        return next((rule.group for rule in self.rules if rule.fits(path)), None)


@dataclass(frozen=True, slots=True)
class Template:
    """What a template's load balancers do with HTTP requests."""

    listeners: tuple[Listener, ...]  # the HTTP listeners
    groups: Mapping[str, Group]


def read(text: str) -> Template:
    """Read a template. Errors: NotFollowed."""
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
    """Return a pattern: ``*`` is any number of characters, also none, ``?`` any one character; case counts."""
    parts = (".*" if sign == "*" else "." if sign == "?" else re.escape(sign) for sign in text)
    return re.compile("".join(parts), re.DOTALL)
