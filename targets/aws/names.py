"""Logical ids: the names by which CloudFormation knows the resources of a template.

They have letters and digits alone, 255 at most, and are distinct within a template (CloudFormation's user guide,
template anatomy: resources).
"""

from __future__ import annotations

import re

from svcc.compiler.names import digest, word

#: Matches a name that can be told from its neighbours by a capital letter, so that none of it is lost.
_PLAIN = re.compile(r"[a-z][a-z0-9]*")
_WORDS = re.compile(r"[A-Za-z0-9]+")
_READABLE = 160
#: The most characters of a tag's value (AWS: tag naming limits).
_TAG = 256
_NO_TAG = re.compile(r"[^A-Za-z0-9 +=._:/@-]")


def logical_id(kind: str, *names: str) -> str:
    """Return the id of a resource: its kind, and the names of what it is about. No other resource has the same.

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
    """Return a name in the form that the value of a tag may have."""
    return _NO_TAG.sub("_", word(name))[:_TAG]
