"""The parts of the output of the nft target."""

from __future__ import annotations

import re

from svcc.targets.interface import Part

#: The first commands of a document, which remove our table. Only the JSON counts, not its layout.
_DOCUMENT = r"""\{ "nftables" : \[ \{ "add" : (?P<table>\{ "table" : \{ "family" : "ip" , "name" : "[\w-]+" \} \}) \} ,
\{ "delete" : (?P=table) \}"""
_LANGUAGE = r"""\#!/usr/sbin/nft[ ]-f\n
    add[ ]table[ ]ip[ ](?P<name>[\w-]+)\n delete[ ]table[ ]ip[ ](?P=name)\n
    add[ ]table[ ]ip6[ ](?P=name)\n        delete[ ]table[ ]ip6[ ](?P=name)\n (?:\n|\Z)
"""

PART = Part("nft", "nft.json", "nft -j -f -", form=re.compile(re.sub(r"\s+", r"\\s*", _DOCUMENT)))
LANGUAGE_PART = Part(PART.name, "nft.nft", "nft -f -", form=re.compile(_LANGUAGE, re.VERBOSE))
