"""``svcc import kubernetes``: Services, EndpointSlices and Nodes, as ``kubectl get -o yaml`` (or json) prints them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Generic, TypeVar

from svcc.compiler.codes import Code
from svcc.compiler.diagnostic import Diagnostic
from svcc.compiler.importers.documents import Document, documents
from svcc.compiler.importers.interface import Broken, Imported, Importer, Note, broken
from svcc.compiler.importers.kubernetes.fields import Malformed, Path
from svcc.compiler.importers.kubernetes.followed import Followed
from svcc.compiler.importers.kubernetes.objects import (
    EndpointSlice,
    Node,
    Service,
    read_node,
    read_service,
    read_slice,
)
from svcc.compiler.importers.kubernetes.remarks import Place, Remark
from svcc.compiler.source import Source, Span

T = TypeVar("T", Service, EndpointSlice, Node)

#: The kinds that are read, with their versions of the API.
_API = {
    "Service": ("v1",),
    "EndpointSlice": ("discovery.k8s.io/v1", "discovery.k8s.io/v1beta1"),
    "Node": ("v1",),
}
#: After this many errors, svcc reads no further objects.
_ERRORS = 100


@dataclass(frozen=True, slots=True)
class _Object:
    """An object in a document."""

    document: Document
    path: Path  # its path in the document
    value: Mapping[str, object]
    kind: str
    version: str  # its apiVersion

    def span(self, path: Path = ()) -> Span:
        return self.document.span((*self.path, *(path or ("metadata", "name"))))


@dataclass(slots=True)
class _Found(Generic[T]):
    """The objects of one kind, by full name."""

    read: Callable[[Mapping[str, object]], T]
    objects: dict[str, tuple[T, _Object]] = field(default_factory=dict)

    def add(self, some: _Object) -> Iterator[Note]:
        """Take an object. Of two with one name the newer counts, whichever comes first. Errors: Malformed."""
        object_ = self.read(some.value)
        known = self.objects.get(object_.name)
        if known is None or (known[0] != object_ and _age(known[1]) < _age(some)):
            self.objects[object_.name] = object_, some
        if known is not None and known[0] != object_:
            older = min(known[1], some, key=_age)
            yield Note(older.span(), f"another {some.kind} {object_.name} among the objects is newer")

    def span(self, name: str, path: Path) -> Span:
        return self.objects[name][1].span(path)


def _age(some: _Object) -> tuple[int, str]:
    """Return a sort key: the larger, the later.

    It is the resourceVersion, which all known servers count up, then anything that decides.
    """
    metadata = some.value.get("metadata")
    version = metadata.get("resourceVersion") if isinstance(metadata, dict) else None
    number = int(version) if isinstance(version, str) and version.isdecimal() and len(version) < 40 else 0
    return number, json.dumps(some.value, sort_keys=True)


class Kubernetes(Importer):
    """The importer for files of Kubernetes objects."""

    name: ClassVar[str] = "kubernetes"
    title: ClassVar[str] = "what `kubectl get svc,endpointslices,nodes -A -o yaml` prints, or JSON of it"

    def read(self, sources: Sequence[Source]) -> Imported:
        reading = _Reading()
        for source in sources:
            for document in documents(source):
                reading.document(document)
        return reading.imported()


class _Reading:
    """The objects and notes that were found so far."""

    def __init__(self) -> None:
        self.services = _Found(read_service)
        self.slices = _Found(read_slice)
        self.nodes = _Found(read_node)
        self.of_kind: dict[str, _Found[Service] | _Found[EndpointSlice] | _Found[Node]] = {
            "Service": self.services,
            "EndpointSlice": self.slices,
            "Node": self.nodes,
        }
        self.pages: dict[str, Span] = {}  # the places where lists stop before their last page, by kind
        self.last_pages: set[str] = set()
        self.notes: list[Note] = []
        self.errors: list[Diagnostic] = []

    def document(self, document: Document) -> None:
        value = document.value
        if not isinstance(value, dict):
            raise broken("not an object of Kubernetes, which has `kind` and `apiVersion`", document.span())
        self._take_page(document, value)
        for some in _objects(document, value):
            try:
                self.notes += self._add(some)
            except Malformed as error:
                hint = "this is not what the Kubernetes API says of the field"
                self.errors.append(Diagnostic(Code.IMPORT, str(error), some.span(error.path), hint))
                if len(self.errors) >= _ERRORS:
                    raise Broken(self.errors) from None

    def _take_page(self, document: Document, value: Mapping[str, object]) -> None:
        """Note that a list is incomplete, unless its last page is here too: servers answer in pages."""
        metadata, kind = value.get("metadata"), str(value.get("kind"))
        if isinstance(value.get("items"), list):
            if isinstance(metadata, dict) and metadata.get("continue"):
                self.pages.setdefault(kind, document.span(("metadata", "continue")))
            else:
                self.last_pages.add(kind)

    def _add(self, some: _Object) -> Iterator[Note]:
        if some.kind not in _API:
            yield Note(some.document.span((*some.path, "kind")), _foreign(some))
        elif some.version not in _API[some.kind]:
            reason = f"svcc reads {' and '.join(_API[some.kind])} of {some.kind}"
            yield Note(some.document.span((*some.path, "apiVersion")), reason)
        else:
            yield from self.of_kind[some.kind].add(some)

    def imported(self) -> Imported:
        if self.errors:
            raise Broken(self.errors)
        for kind, span in self.pages.items():
            if kind not in self.last_pages:
                self.notes.append(Note(span, f"the {kind} goes on, and its last page is not among the files"))
        followed = Followed(at=self._span)
        followed.put(some for found in self.of_kind.values() for some, _ in found.objects.values())
        self.notes += (self._note(remark) for remark in followed.remarks)
        notes = sorted({*self.notes}, key=lambda note: (note.span.source.name, *note.span[1:], note.reason))
        return Imported(followed.program, tuple(notes), by_name=True)

    def _note(self, remark: Remark) -> Note:
        reason = remark.reason
        if remark.related is not None:
            source, start, _ = self._span(remark.related)
            line, column = source.position(start)
            reason += f" (see {source.name}:{line}:{column})"
        return Note(self._span(remark.place), reason)

    def _span(self, place: Place) -> Span:
        kind, _, name = place.object.partition(" ")
        return self.of_kind[kind].span(name, place.path)


def _objects(document: Document, value: Mapping[str, object]) -> Iterator[_Object]:
    """Return the object of a document, or the items of a list.

    The API's typed lists name the kind of their items only once.
    """
    kind, version = _word(document, value, "kind"), _word(document, value, "apiVersion")
    items = value.get("items")
    if not kind.endswith("List") or not isinstance(items, list):
        yield _Object(document, (), value, kind, version)
        return
    for i, item in enumerate(items):
        path = ("items", i)
        if not isinstance(item, dict):
            raise broken("an item of a list has to be an object", document.span(path))
        if kind == "List":
            own = _word(document, item, "kind", path), _word(document, item, "apiVersion", path)
            yield _Object(document, path, item, *own)
        else:
            yield _Object(document, path, item, kind.removesuffix("List"), version)


def _word(document: Document, value: Mapping[str, object], key: str, path: Path = ()) -> str:
    found = value.get(key)
    if isinstance(found, str) and found:
        return found
    raise broken(f"not an object of Kubernetes: it has no `{key}`", document.span((*path, key)))


def _foreign(some: _Object) -> str:
    if some.kind == "Endpoints":
        return "svcc reads EndpointSlices, which servers make of Endpoints: kubectl get endpointslices -A -o yaml"
    return f"svcc reads {', '.join(_API)}, and has no use for {some.kind}"


IMPORTER = Kubernetes()
