"""Every trap of lists and watches, as a server's answers, and what a client makes of it: a recording each."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from support.files import RECORDINGS
from support.followed_news import QUICK, heard
from support.replayed_api import Exchange, replaying
from svcc.kubernetes_api.access import Access
from svcc.kubernetes_api.resources import ENDPOINT_SLICES, NODES, SERVICES

_RESOURCES = {one.plural: one for one in (SERVICES, ENDPOINT_SLICES, NODES)}


@pytest.mark.parametrize("file", RECORDINGS, ids=lambda file: file.stem)
def test_what_becomes_of_a_recording(file: Path) -> None:
    """An error's words go on as servers have them; each request of the recording is asked, in its order."""
    recording: dict[str, Any] = json.loads(file.read_text())
    exchanges = [Exchange(**one) for one in recording["exchanges"]]
    wanted: list[str] = recording["news"]

    async def replayed() -> tuple[list[str], list[str]]:
        resource = _RESOURCES[recording.get("resource", "services")]
        times = replace(QUICK, **{key: _tuple(value) for key, value in recording.get("times", {}).items()})
        async with replaying(exchanges) as server:
            said = await heard(Access(f"http://127.0.0.1:{server.port}"), len(wanted), times, resource)
            assert server.exchanges == []
            return said, server.asked

    said, asked = asyncio.run(replayed())
    shortened = [one[: len(want)] if one.startswith("lost") else one for one, want in zip(said, wanted, strict=True)]
    assert shortened == wanted
    assert asked[: len(exchanges)] == [one.request for one in exchanges]


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
