"""What ipvsadm says of itself, which it does where there is IPVS, is what docs/supported.md states."""

from __future__ import annotations

import pytest

from support.tools.supported import OLDEST, numbers, said_by

pytestmark = [pytest.mark.vm, pytest.mark.kernel]


def test_ipvsadm_is_not_older_than_what_is_stated() -> None:
    assert said_by("ipvsadm") >= numbers(OLDEST["ipvsadm"][1])
