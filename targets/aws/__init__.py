"""The aws target: the balancers of a program as one CloudFormation template, in front of the nodes' node ports.

Another target says what happens to a request or connection on the nodes themselves. The template refers to what exists
already (network, subnets, security groups, instances), and creates load balancers, target groups, listeners and
listener rules. The name of each follows from the names in the program that it stands for, so that a change to the
program changes only the resources that it is about: CloudFormation knows a resource by its name, and replaces one whose
name changes.

Source of the properties: the AWS CloudFormation template reference, AWS::ElasticLoadBalancingV2.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import ClassVar

from svcc.compiler import ir
from svcc.compiler.codes import Code
from svcc.compiler.diagnostic import Diagnostic
from svcc.compiler.features import Feature
from svcc.targets.interface import Accepted, Artifact, Bundle, Part, Target
from svcc.targets.reading import Text

_PART = Part(
    "aws",
    "aws.json",
    "aws cloudformation deploy --template-file aws.json --stack-name NAME",
    form=re.compile(r'\{\n  "AWSTemplateFormatVersion": "[\d-]+",\n  "Description": "[^"]*, compiled by svcc"'),
)


class Aws(Target):
    """The aws target."""

    name = "aws"
    title = "the balancers, as a CloudFormation template"
    parts = (_PART,)
    alone = _PART
    loads = False
    translates = False
    balances = True
    by_node = False
    features: ClassVar[Mapping[Feature, str]] = dict.fromkeys(Feature, "")

    def render(self, program: ir.Program, node: ir.Node | None) -> Bundle:
        from svcc.targets.aws.resources import document
        from svcc.targets.aws.template import resources

        found = list(resources(program))
        text = document(found) if found else ""
        return Bundle(self.name, None if node is None else node.name, (Artifact(_PART, text),))

    def accept(self, texts: Mapping[str, Text]) -> Accepted:
        text = texts[_PART.name]
        raise text.refused(f"a template is no bundle: `{_PART.tool}` takes it", 0, 0, Code.BUNDLE)

    def limits(self, program: ir.Program) -> Iterator[Diagnostic]:
        from svcc.targets.aws.limits import limits

        return limits(program)


TARGET = Aws()
