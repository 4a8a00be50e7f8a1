"""The bundle format: several parts of one target as one text, in load order."""

from __future__ import annotations

import re
from collections.abc import Iterator

from svcc.targets import find
from svcc.targets.interface import Artifact, Bundle, Target

_HEADER = "#: svcc bundle 1 target={target} node={node}\n"
_PART = "#: part {name}\n"
_MARK = "#: "
_ANY_HEADER = re.compile(r"#: svcc bundle (?P<version>\S+) target=(?P<target>\S+) node=(?P<node>\S+)\n")
_ANY_PART = re.compile(r"#: part (?P<name>\S+)\n")


class BundleError(ValueError):
    """A text that is no bundle. ``str()`` says why, and where."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(f"line {line}: {message}")
        self.line = line


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


def is_bundle(text: str) -> bool:
    """Whether a text says of itself that it is a bundle."""
    return text.startswith(_MARK)


def read_bundle(text: str, target: Target | None = None) -> Bundle:
    """What :func:`bundle_text` printed. The bare text of a target's single part needs ``target``, and has no node.

    Errors: BundleError: another version, an unknown target or part, a part twice or out of its order (which is the
    order of loading), a last line without its end, or another target than ``target``.
    """
    if not is_bundle(text) and target is not None and len(target.parts) == 1:
        return Bundle(target.name, None, (Artifact(target.parts[0], text),))
    header = _ANY_HEADER.match(text)
    if header is None:
        raise BundleError(1, "a bundle begins with `#: svcc bundle 1 target=NAME node=NAME`")
    if header["version"] != "1":
        raise BundleError(1, f"a bundle of version {header['version']}, and this svcc reads version 1")
    named = find(header["target"])
    if named is None:
        raise BundleError(1, f"there is no target {header['target']}")
    if target is not None and named.name != target.name:
        raise BundleError(1, f"it is a bundle for {named.name}, not for {target.name}")
    texts = dict(_parts(text, header.end(), named))
    artifacts = tuple(Artifact(part, texts.get(part.name, "")) for part in named.parts)
    return Bundle(named.name, None if header["node"] == "-" else header["node"], artifacts)


def _parts(text: str, start: int, target: Target) -> Iterator[tuple[str, str]]:
    """Each part's name and text, from the offset of the first one's heading."""
    names = [part.name for part in target.parts]
    line, following = 2, 0  # what may come next: names[following:]
    for name, body in _sections(text, start):
        if name not in names:
            raise BundleError(line, f"target {target.name} has no part {name}")
        if name not in names[following:]:
            raise BundleError(line, f"part {name} is here twice, or behind one that is loaded after it")
        following = names.index(name) + 1
        yield name, body
        line += 1 + body.count("\n")


def _sections(text: str, start: int) -> Iterator[tuple[str, str]]:
    while start < len(text):
        heading = _ANY_PART.match(text, start)
        if heading is None:
            raise BundleError(1 + text.count("\n", 0, start), "`#: part NAME` comes here")
        end = text.find(f"\n{_MARK}", heading.end() - 1) + 1 or len(text)
        if end == len(text) and not text.endswith("\n"):
            raise BundleError(1 + text.count("\n"), "the end is missing: the last line is not ended")
        yield heading["name"], text[heading.end() : end]
        start = end
