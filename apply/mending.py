"""Go on where files of an installation are damaged.

No generation is forgotten for that. A damaged file is set aside, and made anew where sound files say what was in it.
Where that is not possible, another generation counts as the one in place, until something is recorded again: until then
the record stays as it is, and each command says so.
"""

from __future__ import annotations

from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from svcc.apply.generation import Generation
from svcc.apply.installation import Installation, Instead
from svcc.apply.state_files import Damaged, StoreError, bytes_of
from svcc.apply.summary import Summary, summary
from svcc.targets import find
from svcc.targets.bundle import bundle_text
from svcc.targets.interface import Bundle


def mend(installation: Installation) -> list[str]:
    """Set damaged files aside, so that a command can go on. Return a sentence for each. The store's lock is held.

    Where what was in place cannot be made anew, ``installation.instead`` is a generation with the same rules, else the
    newest one that is whole, else none.
    """
    installation.instead = None
    said: list[str] = []
    try:
        if (current := installation.current) is not None:
            _make_whole(installation, current.number, said)
    except StoreError as error:
        said.append(str(error))
        installation.instead = _instead(installation, said)
        if isinstance(error, Damaged):
            _set_aside(installation, error.path)
    for number in installation.numbers():
        try:
            installation.generation(number)
        except StoreError as error:
            said += [str(error)] if str(error) not in said else []
            _set_aside(installation, installation.file(number, "json"))
    return said


def _set_aside(installation: Installation, path: Path) -> None:
    with suppress(OSError):  # where nothing can be written, it stays where it is
        installation.set_aside(path)


def _instead(installation: Installation, said: list[str]) -> Instead:
    """Find the generation that counts as the one in place. One that was never confirmed does not."""
    was, numbers = _recorded(installation), installation.numbers()
    found = installation.readable()
    undone = {one.undoes for one in found}
    rules = next((one.hash for one in found if one.number == was), None)
    for one in sorted(found, key=lambda one: one.hash != rules):  # those with the same rules first, the newest of them
        if one.reviewed not in undone and one.number != was and _is_whole(installation, one, said):
            same = one.hash == rules if was is not None else one.number == max(numbers)
            return Instead(one.number, "" if same else _called(was))
    return Instead(None, _called(was))


def _called(was: int | None) -> str:
    return "what was in place last" if was is None else f"generation {was}"


def _recorded(installation: Installation) -> int | None:
    """Return the number of the generation in place; None where that is not known."""
    try:
        return installation.number
    except StoreError:
        return None


def _is_whole(installation: Installation, generation: Generation, said: list[str]) -> bool:
    try:
        _make_whole(installation, generation.number, said)
    except StoreError:
        return False
    return True


def _make_whole(installation: Installation, number: int, said: list[str]) -> None:
    """Check that no file of a generation is damaged, and make anew what can be. Errors: StoreError."""
    while True:
        try:
            installation.check(number)
        except Damaged as error:
            if not _made_anew(installation, error.path):
                raise
            said.append(f"{error.what}; it is made anew")
        else:
            return


def _made_anew(installation: Installation, path: Path) -> bool:
    """Make a generation's bundle or services anew, if they can be. Return whether that was done."""
    number, _, suffix = path.name.partition(".")
    if suffix not in ("bundle", "services"):
        return False
    generation = installation.generation(int(number))
    bundle, services = _compiled(installation, generation)
    if suffix == "bundle" and bundle is None:
        return False
    _set_aside(installation, path)
    installation.make_anew(generation.number, bundle if suffix == "bundle" else None, services)
    return True


def _compiled(installation: Installation, generation: Generation) -> tuple[Bundle | None, Summary]:
    """Compile a generation's program. Return the bundle, where it is what was applied, and the services: none where the
    program is not known, as of a bundle that was applied."""
    program, target = installation.program(generation), find(generation.target or "")
    if program is None or target is None:
        return None, Summary()
    try:
        given = program.program()
        node = None if generation.node is None else given.node(generation.node)
        services, bundle = summary(given, node), target.render(given, node)
    except ValueError:
        return None, Summary()
    same = sha256(bytes_of(bundle_text(bundle))).hexdigest() == generation.hash
    return bundle if same else None, services
