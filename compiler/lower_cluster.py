"""Turns ``cluster`` and ``node`` blocks into IR."""

from __future__ import annotations

from svcc.compiler import ir, syntax
from svcc.compiler.codes import Code
from svcc.compiler.lets import Lets
from svcc.compiler.prefix import FORM, is_prefix
from svcc.compiler.settings import Settings
from svcc.compiler.syntax import Word
from svcc.compiler.values import Values


def lower_cluster(values: Values, block: syntax.Block, lets: Lets) -> ir.Cluster:
    """Return the cluster of a block; what is wrong with it goes to the diagnostics of ``values``."""
    settings = Settings(values)
    for statement in block.statements:
        assert isinstance(statement, syntax.Setting)
        if settings.begin(statement.keyword, str(statement.keyword)):
            _cluster_setting(settings, statement, lets)
    return ir.Cluster(**settings.fields, spans=settings.spans)


def _cluster_setting(settings: Settings, statement: syntax.Setting, lets: Lets) -> None:
    values, keyword, word = settings.values, str(statement.keyword), statement.values[0]
    match keyword:
        case "pods" | "services" | "nodeport-addresses":
            networks = lets.networks(values, statement.values)
            settings.put(keyword.replace("-", "_"), tuple(networks), keyword, word)
            settings.spans |= {f"{keyword} {network}": span for network, span in networks.items()}
        case "nodeports":
            settings.put("nodeports", values.ports(word), keyword, word)
        case "mark":
            settings.put("mark", _mark(values, word), keyword, word)
        case "prefix" if not is_prefix(word):
            values.error(Code.NAME, f"`{word}` cannot be a prefix", word, FORM)
        case "vip-device" if "/" in word:
            values.error(Code.NAME, f"`{word}` cannot be a device", word, "a device's name has no `/`")
        case "vip-device" if word in ("no", "false", "off"):
            values.unknown(word, ("none", "svcc0"), "device")
        case "vip-device" if word == "none":
            settings.fields["vip_device"] = None
            settings.spans[keyword] = values.span(word)
        case _:
            settings.put(keyword.replace("-", "_"), str(word), keyword, word)


def _mark(values: Values, word: Word) -> int | None:
    mark = values.number(word, 1, 0x8000_0000, "the mark")
    if mark is not None and mark & (mark - 1):
        values.error(Code.RANGE, f"{word} has more than one bit", word, f"one bit, such as {hex(mark & -mark)}")
        return None
    return mark


def lower_node(values: Values, block: syntax.Block, lets: Lets) -> ir.Node:
    """Return the node of a block; what is wrong with it goes to the diagnostics of ``values``.

    Return None where it cannot be used.
    """
    assert block.name is not None
    settings = Settings(values)
    for statement in block.statements:
        assert isinstance(statement, syntax.Setting)
        keyword, word = str(statement.keyword), statement.values[0]
        if not settings.begin(statement.keyword, keyword):
            continue
        if keyword == "zone":
            settings.put("zone", values.name(word), keyword, word)
        elif keyword == "instance":
            settings.put("instance", str(word), keyword, word)
        else:
            addresses = lets.addresses(values, statement.values, keyword)
            settings.put("addresses", tuple(addresses), keyword, word)
            settings.spans |= {f"address {address}": span for address, span in addresses.items()}
    if "addresses" not in settings.fields:
        hint = "the node's own addresses serve node ports: address 10.0.0.4"
        values.error(Code.MISSING, f"node `{block.name}` has no address", block.name, hint)
        settings.fields["addresses"] = ()
    return ir.Node(str(block.name), **settings.fields, span=values.span(block.name), spans=settings.spans)
