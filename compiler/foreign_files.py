"""Recognizes whole files in other languages, so that one message says what the file is, and not one for each line."""

from __future__ import annotations

import re
from typing import NamedTuple

from svcc.compiler.codes import Code
from svcc.compiler.diagnostic import Diagnostic
from svcc.compiler.source import Source, Span

_EXAMPLE = "service web { vip 198.19.0.1; port 80/tcp; endpoints { 100.64.0.9 } }"
#: The hint about a file that no importer reads.
INSTEAD = f"write what it means in svcc's language: {_EXAMPLE}"
_FEW_KINDS = (
    f"`svcc import kubernetes` takes Services, EndpointSlices and Nodes; write yourself what others mean: {_EXAMPLE}"
)


class _Kind(NamedTuple):
    title: str
    mark: re.Pattern[str]  # matches what only such a file has, in its first lines
    instead: str  # the importer that reads it; a hint of several words; or ""


def _kinds(*rows: tuple[str, str] | tuple[str, str, str]) -> tuple[_Kind, ...]:
    return tuple(_Kind(row[0], re.compile(row[1], re.MULTILINE), "".join(row[2:])) for row in rows)


def _hint(kind: _Kind, source: Source) -> str:
    from svcc.compiler.importers import find  # imports all importers, and only this hint needs them

    if find(kind.instead) is None:
        return kind.instead or INSTEAD
    if kind.instead == "kubernetes" and not _IMPORTED.search(source.text):
        return _FEW_KINDS
    name = "-" if source.name == "<stdin>" else source.name
    return f"`svcc import {kind.instead} {name}` prints a program"


_VERSION = r"[\"']?apiVersion[\"']?\s*:\s*[\"']?(?:v1|discovery\.k8s\.io/v1(?:beta1)?)[\"']?"
_OBJECT = r"[\"']?kind[\"']?\s*:\s*[\"']?(?:Service|EndpointSlice|Node)(?:List)?[\"']?"
_BETWEEN = r"(?:\s*,\s*|[ \t\r]*(?:#[^\n]*)?\n\s*)"
#: An object that the importer of kubernetes takes, as programs print it.
_IMPORTED = re.compile(rf"{_VERSION}{_BETWEEN}{_OBJECT}(?![\w-])|{_OBJECT}{_BETWEEN}{_VERSION}(?![\w./])")

#: How bundles begin, which svcc itself compiled: those of several parts, and of nft's one part in both its languages.
_BUNDLE = re.compile(
    r"\A(?:#: svcc bundle .*"
    r'|\{"nftables": \[(?=\n  \{"add": \{"table": \{"family": "ip", "name": "[^"]+"\}\}\}\n, \{"delete": )'
    r"|#!/usr/sbin/nft -f(?=\nadd table ip (\S+)\ndelete table ip \1\n(?:add table ip \1\n)?add table ip6 \1\n))"
)
_NO_BUNDLE = "give the program that it was compiled from; svcc plan, apply, diff and trace take the bundle itself"

#: Is recognized in a diff of our own files, too.
_DIFF = _kinds(("a diff", r"^--- \S[^\n]*(?=\n\+\+\+ \S[^\n]*\n@@ )", "give the file that it changes"))
#: The kinds of files. The first that fits counts.
_KINDS = _kinds(
    (
        "a kubeconfig",
        r"\A(?=[\s\S]*^kind:[ \t]*[\"']?Config\b)(?=[\s\S]*^(?:clusters|contexts|users):)",
        "`svcc export kubernetes` prints a program of what the cluster has, and takes it by --kubeconfig",
    ),
    ("Kubernetes YAML", r"^(?:apiVersion|kind):\s*\S", "kubernetes"),
    ("a Docker Compose file", r"^services:\s*(?:#.*)?$"),
    ("YAML", r"\A(?:[ \t]*(?:#.*)?\n)*(?:---|%YAML|[\w.-]+:(?:[ \t][^{\n]*)?$|- [\w.-]+:)"),
    ("JSON of Kubernetes", r"\A\s*\{[^{}]*\"(?:apiVersion|kind)\"\s*:", "kubernetes"),
    ("a configuration of nftlb", r"\A\s*\{\s*\"(?:farms|addresses|policies)\"\s*:", "nftlb"),
    ("JSON of nftables", r"\A\s*\{\s*\"nftables\"\s*:"),
    ("JSON", r"\A\s*\[\s*\{\s*\""),
    ("a script of iptables-restore", r"^(?:\*(?:nat|filter|mangle|raw|security)\s*$|-A [A-Z]\S* )", "iptables"),
    ("commands of iptables", r"^(?:sudo\s+)?ip6?tables\s+-"),
    ("a list of ipsets", r"^create \S+ (?:hash|bitmap|list):"),
    (
        "a list of ipvsadm",
        r"^(?:(?:sudo\s+)?ipvsadm\s+)?-[Aa]\s+(?:-[tuf]|--\w+-service)\s|^IP Virtual Server version",
        "ipvsadm",
    ),
    (
        "nftables rules",
        r"^[ \t]*(?:table\s+(?:inet|ip6?|arp)\s+\S+\s*\{|(?:add|create)\s+(?:table|chain)\s|flush\s+ruleset)",
    ),
    (
        "a keepalived configuration",
        r"^[ \t]*(?:virtual_server\w*[ \t]+[^\s{][^\n{]*(?=\{|\n\s*\{)|(?:vrrp_instance\s+\S+|global_defs)(?=\s*\{))",
        "keepalived",
    ),
    ("an nginx configuration", r"^[ \t]*(?:(?:http|stream|events|server)\s*\{|upstream\s+\S+\s*\{|worker_processes\s)"),
    (
        "an HAProxy configuration",
        r"^(?:global|(?:frontend|backend|listen)[ \t]+[^\s{]+(?:[ \t]+[^\s{]*:\d[^\n{]*)?)[ \t]*(?:#.*)?$",
    ),
    ("Terraform", r"^[ \t]*(?:resource|data)\s+\"\w+\"\s+\"[\w-]+\"\s*\{|^terraform\s*\{"),
    ("a Caddyfile", r"^[ \t]+(?:reverse_proxy|file_server|respond|encode|php_fastcgi|root|tls)\b(?![^\n]*;[ \t]*$)"),
    ("XML", r"\A\s*<(?:\?xml|!DOCTYPE|[a-zA-Z]+[ >])"),
    ("TOML", r"\A(?:[ \t]*(?:#.*)?\n)*(?:\w+ = [\"\'\[].*\n\s*)*(?:\[\[[\w.-]+\]\]|\[\w+\.[\w.-]+\])\s*$"),
    ("an INI file or a systemd unit", r"\A(?:[ \t]*(?:[#;].*)?\n)*\[[A-Za-z][\w -]*\]\s*$"),
)

#: Matches what only svcc's own files have.
_OURS = re.compile(r"^[ \t]*(?:svcc\s+1\s|(?:service|cluster|node|endpoints|defaults)\b[^:\n]*\{)", re.MULTILINE)
#: How many characters of a file are looked at.
_LOOKED_AT = 64 * 1024


def compiled_file(source: Source) -> Diagnostic | None:
    """Return a diagnostic of a bundle where something else is wanted. Return None for other files."""
    found = _BUNDLE.match(source.text)
    if found is None:
        return None
    span = Span(source, found.start(), found.end())
    return Diagnostic(Code.FOREIGN, "this is a bundle, which was compiled already", span, _NO_BUNDLE)


def foreign_file(source: Source) -> Diagnostic | None:
    """Return a diagnostic that says which other language a text is in. Return None where it looks like none of them."""
    text = source.text[:_LOOKED_AT]
    if (compiled := compiled_file(source)) is not None:
        return compiled
    for kind in _DIFF if _OURS.search(text) else (*_DIFF, *_KINDS):
        found = kind.mark.search(text)
        if found is not None:
            start = found.start() + len(found.group()) - len(found.group().lstrip())
            line = text.rfind("\n", 0, found.end()) + 1
            start = max(start, line)
            end = text.find("\n", start)
            span = Span(source, start, len(text) if end < 0 else end)
            return Diagnostic(
                Code.FOREIGN, f"this looks like {kind.title}, which svcc does not read", span, _hint(kind, source)
            )
    return None
