"""The bundle format: several parts of one target as one text, in load order."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from svcc.compiler.codes import Code
from svcc.compiler.names import QUOTED
from svcc.compiler.source import Source, Span
from svcc.targets import find
from svcc.targets.interface import Artifact, Bundle, Target
from svcc.targets.reading import Line, RefusedText, Text

_HEADER = "#: svcc bundle 1 target={target} node={node}\n"
_PART = "#: part {name}\n"
_MARK = "#: "
_ANY_HEADER = re.compile(r"#: svcc bundle (?P<version>\S+) target=(?P<target>\S+) node=(?P<node>\S+)\n")
_ANY_PART = re.compile(r"#: part (?P<name>\S+)\n")


def printed(target: Target, bundle: Bundle) -> str:
    """Return what ``compile`` prints: the part that can be ``alone`` where all others are empty, else the bundle."""
    filled = [artifact for artifact in bundle.artifacts if artifact.text]
    if target.alone is not None and [artifact.part.name for artifact in filled] == [target.alone.name]:
        return filled[0].text
    return bundle_text(bundle)


def bundle_text(bundle: Bundle) -> str:
    """Return all parts with their headings. Parts that the program leaves empty are left out."""
    return first_line(bundle.target, bundle.node) + parts_text(bundle)


def first_line(target: str, node: str | None) -> str:
    """Return the first line of :func:`bundle_text`, with its line end. Only this line names the node."""
    return _HEADER.format(target=target, node=node or "-")


def parts_text(bundle: Bundle) -> str:
    """Return the text after the first line."""
    chunks: list[str] = []
    for artifact in bundle.artifacts:
        if artifact.text:
            chunks += [_PART.format(name=artifact.part.name), artifact.text]
    return "".join(chunks)


def is_bundle(text: str) -> bool:
    """Whether a text begins as a bundle does."""
    return text.startswith(_MARK)


@dataclass(frozen=True, slots=True)
class Given:
    """A bundle's texts by part. Every part of the target is among them, and none of the texts has been examined."""

    target: Target
    node: str | None
    texts: Mapping[str, Text]

    def bundle(self) -> Bundle:
        """Return the texts as a bundle.

        A text from outside has to be accepted by its target first; only svcc's own records need not be.
        """
        artifacts = tuple(Artifact(part, self.texts[part.name].text) for part in self.target.parts)
        return Bundle(self.target.name, self.node, artifacts)


def split_bundle(source: Source, target: Target | None = None) -> Given:
    """Return the parts of what :func:`printed` made. Where that is the text of one part by itself, the node is unknown.

    Errors: RefusedText: another version, an unknown target or part, a part twice or out of its order (which is the
    order of loading), an empty part, a last line without its end, or another target than ``target``.
    """
    text = source.text
    if not is_bundle(text) and target is not None and target.alone is not None:
        nothing = {part.name: Text(source, len(text), len(text)) for part in target.parts}
        return Given(target, None, {**nothing, target.alone.name: Text(source, 0, len(text))})
    first = Line(source, 0, text.partition("\n")[0])
    header = _ANY_HEADER.match(text)
    if header is None and first.text.endswith("\r"):
        raise first.refused("its lines end with CR and LF, those of a bundle with LF alone", code=Code.BUNDLE)
    if header is None:
        raise first.refused("a bundle begins with `#: svcc bundle 1 target=NAME node=NAME`", code=Code.BUNDLE)
    if header["version"] != "1":
        raise _refused(
            first, header["version"], f"a bundle of version {header['version']}, and this svcc reads version 1"
        )
    named = find(header["target"])
    if named is None:
        raise _refused(first, header["target"], f"there is no target {header['target']}")
    if target is not None and named.name != target.name:
        raise _refused(first, named.name, f"it is a bundle for {named.name}, not for {target.name}")
    if header["node"] != "-" and not QUOTED.fullmatch(header["node"]):
        raise _refused(first, header["node"], "no node has such a name")
    texts = {part.name: Text(source, len(text), len(text)) for part in named.parts}
    texts |= _parts(source, header.end(), named)
    return Given(named, None if header["node"] == "-" else header["node"], texts)


def source_of_text(name: str, data: bytes) -> Source:
    """Return the text of a compiled file.

    Errors: RefusedText, where it is not UTF-8, or begins with a byte order mark.
    """
    try:
        source = Source(name, data.decode())
        if source.text.startswith("\ufeff"):
            raise RefusedText(Code.ENCODING, "a byte order mark stands before the bundle", Span(source, 0, 1))
        return source
    except UnicodeDecodeError as error:
        good = Source(name, data[: error.start].decode() + "\ufffd")
        span = Span(good, len(good.text) - 1, len(good.text))
        raise RefusedText(Code.ENCODING, f"byte 0x{data[error.start]:02x} is not UTF-8 text", span) from None


def read_bundle(text: str) -> Bundle:
    """Return the bundle of a text that :func:`bundle_text` printed and svcc itself recorded. Errors: RefusedText."""
    return split_bundle(Source("the bundle", text)).bundle()


def _refused(line: Line, word: str, why: str) -> RefusedText:
    return line.refused(why, word, Code.BUNDLE)


def _parts(source: Source, start: int, target: Target) -> Iterator[tuple[str, Text]]:
    """Yield each part's name and text, from the offset of the first heading on."""
    names = [part.name for part in target.parts]
    following = 0  # the next part is one of names[following:]
    for name, heading, text in _sections(source, start):
        if name not in names:
            raise _refused(heading, name, f"target {target.name} has no part {name}")
        if name not in names[following:]:
            raise _refused(heading, name, f"part {name} is here twice, or behind one that is loaded after it")
        if text.start == text.end:
            raise _refused(heading, name, f"part {name} is empty: the target leaves it out then")
        following = names.index(name) + 1
        yield name, text


def _sections(source: Source, start: int) -> Iterator[tuple[str, Line, Text]]:
    text = source.text
    while start < len(text):
        line_end = text.find("\n", start)
        line = Line(source, start, text[start : len(text) if line_end < 0 else line_end])
        heading = _ANY_PART.match(text, start)
        if heading is None:
            raise line.refused("expected `#: part NAME`", code=Code.BUNDLE)
        end = text.find(f"\n{_MARK}", heading.end() - 1) + 1 or len(text)
        if end == len(text) and not text.endswith("\n"):
            last = text.rfind("\n") + 1
            raise Line(source, last, text[last:]).refused(
                "the end is missing: the last line is not ended", code=Code.BUNDLE
            )
        yield heading["name"], line, Text(source, heading.end(), end)
        start = end
