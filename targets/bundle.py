"""The bundle format: several parts of one target as one text, in load order."""

from __future__ import annotations

from svcc.targets.interface import Bundle

_HEADER = "#: svcc bundle 1 target={target} node={node}\n"
_PART = "#: part {name}\n"


def bundle_text(bundle: Bundle, single: bool) -> str:
    """What ``compile`` prints: the part alone where the target has a ``single`` part, else all with their headings.

    Parts that the program leaves empty are left out.
    """
    if single:
        return bundle.artifacts[0].text
    chunks = [_HEADER.format(target=bundle.target, node=bundle.node or "-")]
    for artifact in bundle.artifacts:
        if artifact.text:
            chunks += [_PART.format(name=artifact.part.name), artifact.text]
    return "".join(chunks)
