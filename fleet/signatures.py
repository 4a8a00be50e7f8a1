"""Signatures of releases, by `ssh-keygen -Y` (ssh-keygen(1)): people have such keys already, and it needs no library.

Each machine has a file of those who may sign, in the form of allowed_signers: a principal, then a key.
"""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

from svcc.fleet.documents import Release
from svcc.fleet.errors import BadSignature

#: What the signature is for. A signature of files or commits is not valid for a release.
NAMESPACE = "svcc-release"
#: Seconds that ssh-keygen may take: an ssh-agent may ask a person to touch a token.
_PATIENCE = 120.0


def sign(release: Release, key: Path) -> Release:
    """Return the release, signed. ``key``: a private key, or a public one whose private key an ssh-agent has.

    Errors: BadSignature.
    """
    done = _run(["sign", "-n", NAMESPACE, "-f", str(key)], release.canonical)
    if done.returncode != 0:
        raise BadSignature(f"the release cannot be signed with {key}: {_last_line(done)}")
    return release.signed(done.stdout)


def verify(release: Release, signers: Path) -> str:
    """Return who signed the release: a principal in the file ``signers``. Errors: BadSignature."""
    if not release.signature:
        raise BadSignature(f"release {release.number} is not signed")
    if not signers.is_file():
        raise BadSignature(f"the file of allowed signers is missing: {signers}")
    with tempfile.TemporaryDirectory(prefix="svcc-") as folder:
        file = Path(folder) / "signature"
        file.write_text(release.signature, encoding="utf-8")
        named = _run(["find-principals", "-s", str(file), "-f", str(signers)], "")
        who = named.stdout.partition("\n")[0]
        if named.returncode != 0 or not who:
            raise BadSignature(f"release {release.number} is signed by nobody in {signers}")
        words = ["verify", "-n", NAMESPACE, "-f", str(signers), "-I", who, "-s", str(file)]
        done = _run(words, release.canonical)
    if done.returncode != 0:
        raise BadSignature(f"the signature of release {release.number} does not match its content: {_last_line(done)}")
    return who


def _run(words: list[str], given: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            ["ssh-keygen", "-Y", *words], input=given, capture_output=True, text=True, check=False, timeout=_PATIENCE
        )
    except FileNotFoundError:
        raise BadSignature("signatures need `ssh-keygen`, and there is none: install openssh-client") from None
    except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError) as error:
        raise BadSignature(f"ssh-keygen does not answer: {error}") from None


def _last_line(done: subprocess.CompletedProcess[str]) -> str:
    lines = (done.stderr or done.stdout).strip().splitlines()
    return lines[-1] if lines else f"ssh-keygen ends with {done.returncode}"
