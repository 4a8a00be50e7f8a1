"""Signatures by ssh-keygen itself: the signer is found, and an altered release is refused."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from svcc.fleet import signatures
from svcc.fleet.documents import Compiled, Release
from svcc.fleet.errors import BadSignature

RELEASE = Release("shop", 7, "0" * 64, 1, {"node-a": Compiled("nft", "1" * 64)}, "ann", "more endpoints")


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with keys of two people, of whom one may sign."""
    folder = tmp_path_factory.mktemp("keys")
    for who in ("ann", "eve"):
        words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(folder / who)]
        subprocess.run(words, check=True)
    (folder / "signers").write_text(f"ann@example.org {(folder / 'ann.pub').read_text()}")
    return folder


@pytest.fixture(scope="module")
def signed(keys: Path) -> Release:
    return signatures.sign(RELEASE, keys / "ann")


def test_a_signed_release_is_told_by_who_signed_it(keys: Path, signed: Release) -> None:
    assert signatures.verify(Release.read("key", signed.text), keys / "signers") == "ann@example.org"


@pytest.mark.parametrize(
    "altered",
    [
        {"number": 8},
        {"fleet": "other"},
        {"program": "2" * 64},
        {"nodes": {"node-a": Compiled("ipvs", "1" * 64)}},
        {"nodes": {"node-a": Compiled("nft", "3" * 64)}},
        {"nodes": {}},
        {"message": "fewer endpoints"},
    ],
    ids=str,
)
def test_what_was_altered_is_refused(keys: Path, signed: Release, altered: dict[str, object]) -> None:
    with pytest.raises(BadSignature, match=r"the signature of release \d does not match its content"):
        signatures.verify(replace(signed, **altered), keys / "signers")  # type: ignore[arg-type]


def test_others_are_refused(keys: Path) -> None:
    with pytest.raises(BadSignature, match="signed by nobody in"):
        signatures.verify(signatures.sign(RELEASE, keys / "eve"), keys / "signers")
    with pytest.raises(BadSignature, match="is not signed"):
        signatures.verify(RELEASE, keys / "signers")


def test_a_signature_for_something_else_is_refused(keys: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(signatures, "NAMESPACE", "git")
        other = signatures.sign(RELEASE, keys / "ann")
    with pytest.raises(BadSignature, match="does not match its content"):
        signatures.verify(other, keys / "signers")


@pytest.mark.parametrize("signature", ["no signature", "-----BEGIN SSH SIGNATURE-----\n", "-f /etc/passwd"])
def test_what_is_no_signature_is_refused(keys: Path, signature: str) -> None:
    with pytest.raises(BadSignature, match="signed by nobody in"):
        signatures.verify(RELEASE.signed(signature), keys / "signers")


def test_what_is_missing_is_named(keys: Path, signed: Release, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadSignature, match=r"cannot be signed with .*/nobody"):
        signatures.sign(RELEASE, keys / "nobody")
    with pytest.raises(BadSignature, match=r"the file of allowed signers is missing: .*/nobody"):
        signatures.verify(signed, keys / "nobody")
    monkeypatch.setenv("PATH", str(keys))
    with pytest.raises(BadSignature, match="install openssh-client"):
        signatures.sign(RELEASE, keys / "ann")
