"""Answers that are not what the API's reference says: a clear error, nothing of them taken, and it goes on."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import pytest

from support.followed_news import heard
from support.replayed_api import Exchange, replaying
from svcc.kubernetes_api import answers, listing
from svcc.kubernetes_api.access import Access

_LIST = "GET /api/v1/services?limit=500"
_WATCH = "GET /api/v1/services?watch=1&resourceVersion=93&allowWatchBookmarks=true"


def listed(*items: object, **more: object) -> dict[str, object]:
    return {"kind": "ServiceList", "apiVersion": "v1", "metadata": {"resourceVersion": "93"}, "items": [*items], **more}


def named(name: object = "a", **metadata: object) -> dict[str, object]:
    return {"kind": "Service", "metadata": {"name": name, "resourceVersion": "94", **metadata}}


def event(type: object = "ADDED", object: object = None) -> dict[str, object]:
    return {"type": type, "object": named() if object is None else object}


def said(exchanges: Sequence[Exchange], number: int) -> tuple[list[str], list[str]]:
    """What is heard, and what was asked."""

    async def replayed() -> tuple[list[str], list[str]]:
        async with replaying(exchanges) as server:
            return await heard(Access(f"http://127.0.0.1:{server.port}"), number), server.asked

    return asyncio.run(replayed())


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ([], "an answer is not JSON: Expecting value"),
        (["null"], "an answer is no object: null"),
        (["[1, 2]"], "an answer is no object: [1, 2]"),
        (['{"a": NaN}'], "an answer is not JSON: NaN is no number of JSON"),
        (['{"a": ' + "9" * 5000 + "}"], "an answer is not JSON: Exceeds the limit"),
        (["[" * 100_000], "an answer is not JSON that can be read: it nests too deep"),
        (['{"a": "\\ud800"}'], "an answer is not JSON: 'utf-8' codec can't encode character"),
        ([listed(named(name=7))], "an object has no name"),
        ([listed(named(namespace=["a"]))], "an object has no name"),
        ([listed(named(name=""))], "an object has no name"),
        ([listed("a")], "an object of the API is a text"),
        ([listed(None)], "an object of the API is nothing"),
        ([listed({"metadata": []})], "an object has no `metadata`, but a list"),
        ([listed(kind="PodList")], "services: a list of Service was asked for, and 'PodList' came"),
        ([listed(kind=["ServiceList"])], "services: a list of Service was asked for"),
        ([listed(items={})], "services: the `items` of a list are no list"),
        ([listed(metadata={})], "services: a list has no resourceVersion"),
        ([listed(metadata={"resourceVersion": 93})], "services: a list has no resourceVersion"),
        ([listed(metadata={"resourceVersion": "93", "continue": 5})], "services: the `continue` of a list is no text"),
    ],
)
def test_a_bad_list_is_told_and_asked_for_again(body: list[Any], words: str) -> None:
    found, _ = said([Exchange(_LIST, body=body), Exchange(_LIST, body=[listed(named())])], 2)
    assert found[0].startswith(f"lost {words}")
    assert found[1:] == ["whole a"]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{]\n", "an answer is not JSON"),
        ("7\n", "an answer is no object: 7"),
        (event("CHANGED"), "services: a watch has an event of type 'CHANGED'"),
        (event(None), "services: a watch has an event of type None"),
        (event(["ADDED"]), "services: a watch has an event of type ['ADDED']"),
        (event(object=[]), "services: a watch has an event of type 'ADDED'"),
        (event(object={"kind": "Pod"}), "services: a watch has an object of kind 'Pod'"),
        (event(object={"kind": "Service", "metadata": {"name": "a"}}), "services: an object has no resourceVersion"),
        (event(object={"kind": "Service", "metadata": {"resourceVersion": "94"}}), "an object has no name"),
        (event("ERROR", "no"), "services: a watch ends by an error without words"),
        (event("ERROR", {"code": "410"}), "services: the watch: 500"),
    ],
)
def test_a_bad_event_is_told_and_all_is_listed_again(line: object, words: str) -> None:
    exchanges = [Exchange(_LIST, body=[listed(named())]), Exchange(_WATCH, body=[line])]
    found, _ = said([*exchanges, Exchange(_LIST, body=[listed(named("b"))])], 3)
    assert found[1].startswith(f"lost {words}")
    assert (found[0], found[2]) == ("whole a", "whole b")


def test_who_wrote_which_field_is_left_out() -> None:
    key, found = answers.object_in(named(managedFields=[{"manager": "kubectl"}], labels={"a": "b"}))
    assert (str(key), found) == ("a", named(labels={"a": "b"}))


def test_a_line_without_an_end_is_given_up() -> None:
    endless = ["x" * (1 << 20)] * 40
    exchanges = [Exchange(_LIST, body=[listed(named())]), Exchange(_WATCH, body=endless, end="silence")]
    found, _ = said([*exchanges, Exchange(_LIST, body=[listed(named("b"))])], 3)
    assert found == ["whole a", f"lost services: a line has more than {8 << 20} bytes", "whole b"]


def test_a_page_that_is_too_large_is_asked_for_in_smaller_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "_PAGE_BYTES", 2000)
    large = listed(*(named(f"a{i}") for i in range(100)))
    exchanges = [Exchange(_LIST, body=[large]), Exchange(_LIST.replace("500", "250"), body=[large])]
    found, asked = said([*exchanges, Exchange(_LIST.replace("500", "125"), body=[listed(named())])], 1)
    assert found == ["whole a"]
    assert [one.rpartition("=")[2] for one in asked[:3]] == ["500", "250", "125"]


def test_a_list_that_is_too_large_in_any_pages_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "_PAGE_BYTES", 20)
    limits = (500, 250, 125, 62, 31, 15, 7, 3, 1)
    exchanges = [Exchange(_LIST.replace("500", str(limit)), body=[listed(named())]) for limit in limits]
    assert said(exchanges, 1)[0] == ["lost services: an answer has more than 20 bytes"]


def test_a_list_of_too_many_bytes_in_all_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "_ALL_BYTES", 200)
    more = json.loads(json.dumps(listed(named()))) | {"metadata": {"resourceVersion": "93", "continue": "a"}}
    exchanges = [Exchange(_LIST, body=[more]), Exchange(f"{_LIST}&continue=a", body=[more])]
    assert said(exchanges, 1)[0] == ["lost services: a list has more than 200 bytes"]


def test_a_list_that_leads_back_is_told() -> None:
    more = listed(named(), metadata={"resourceVersion": "93", "continue": "a"})
    exchanges = [Exchange(_LIST, body=[more]), Exchange(f"{_LIST}&continue=a", body=[more])]
    assert said(exchanges, 1)[0] == ["lost services: a list leads back to a page that was there before"]


def test_more_values_than_memory_is_for_are_not_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "VALUES", 50)
    exchanges = [Exchange(_LIST, body=["[" * 51]), Exchange(_LIST.replace("500", "250"), body=[listed(named())])]
    assert said(exchanges, 1)[0] == ["whole a"]


def test_an_errors_answer_is_read_only_so_far() -> None:
    exchanges = [Exchange(_LIST, status=500, body=["x" * (1 << 20)] * 3), Exchange(_LIST, body=[listed(named())])]
    assert said(exchanges, 2)[0] == ["lost services: 500", "whole a"]
