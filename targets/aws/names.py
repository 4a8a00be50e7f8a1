"""Logical ids: what CloudFormation knows the resources of a template by.

They have letters and digits alone, 255 at most, and are distinct within a template (CloudFormation's user guide,
template anatomy: resources).
"""

from __future__ import annotations

import re

from svcc.compiler.names import digest, word

#: A name that capitals part from its neighbours: nothing of it is lost.
_PLAIN = re.compile(r"[a-z][a-z0-9]*")
_WORDS = re.compile(r"[A-Za-z0-9]+")
_READABLE = 160
#: Characters of a tag's value (AWS: tag naming limits).
_TAG = 256
_NO_TAG = re.compile(r"[^A-Za-z0-9 +=._:/@-]")


def logical_id(kind: str, *names: str) -> str:
    """The id of the resource of a kind that is about these things; no other has it.

    >>> logical_id("LoadBalancer", "public"), logical_id("TargetGroup", "public", "shop/web")
    ('LoadBalancerPublic', 'TargetGroupPublicShopWebX9b2a0c0a9e')
    """
    words = (found for name in names for found in _WORDS.findall(name))
    readable = "".join(found[0].upper() + found[1:] for found in words)
    if len(readable) <= _READABLE and all(map(_PLAIN.fullmatch, names)):
        return f"{kind}{readable}"
    whole = "\0".join(names)
    return f"{kind}{readable[:_READABLE]}X{digest(whole)}"


def tag(name: str) -> str:
    """A name as the value of a tag."""
    return _NO_TAG.sub("_", word(name))[:_TAG]
