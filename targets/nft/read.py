"""A document as text, read into the tables that it makes."""

from __future__ import annotations

import json

from svcc.compiler.codes import Code
from svcc.compiler.prefix import fault
from svcc.targets.reading import Text, quoted


def table_of(text: Text) -> str:
    """The table in the first command of a document (`{"add": {"table": {…}}}`). Errors: Refused."""
    try:
        name = json.loads(text.text)["nftables"][0]["add"]["table"]["name"]
    except (ValueError, LookupError, TypeError, RecursionError):
        raise text.refused("not a document of the target", 0, min(1, text.end), Code.BUNDLE) from None
    if not isinstance(name, str) or fault(name):
        raise text.refused(f"{quoted(str(name))} is no table of the target", 0, min(1, text.end), Code.BUNDLE_NAME)
    return name
