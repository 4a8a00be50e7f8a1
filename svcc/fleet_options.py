"""The options by which commands reach a fleet and its etcd. Errors of these become messages and exit statuses."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from functools import partial, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from svcc.compiler.files import Budget, Unreadable, demand_file
from svcc.exits import Exit
from svcc.fleet.errors import BadName, FleetError
from svcc.fleet.keys import Keys
from svcc.options import ParameterType, refuse_given
from svcc.paths import FilePath
from svcc.state_options import fail, need

if TYPE_CHECKING:
    from svcc.etcd.client import Client

_Command = TypeVar("_Command", bound=Callable[..., Any])
_Result = TypeVar("_Result")

_FILE = FilePath(dir_okay=False, path_type=Path)


class _FleetName(ParameterType[Keys]):
    """The name of a fleet, from which its keys in etcd follow."""

    name = "fleet"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Keys:
        try:
            return value if isinstance(value, Keys) else Keys(str(value))
        except BadName as error:
            self.fail(str(error), param, ctx)


class Seconds(ParameterType[float]):
    """A time in seconds, at most a day, written as in the language: ``500ms``, ``90s``, ``5m``, ``1h``, ``1d``."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        found = re.fullmatch(r"([0-9]{1,9})(ms|[smhd])", str(value))
        if found is None:
            unit = f": {value}s" if re.fullmatch(r"[0-9]{1,9}", str(value)) else ", such as 90s, 5m or 1h"
            self.fail(f"`{value}` is no time: it is a whole number with its unit, ms, s, m, h or d{unit}", param, ctx)
        seconds = int(found[1]) * {"ms": 0.001, "s": 1, "m": 60, "h": 3_600, "d": 86_400}[found[2]]
        if seconds > 86_400:
            self.fail(f"`{value}` is longer than a day", param, ctx)
        return seconds


@dataclass(frozen=True)
class FleetAccess:
    """How to reach a fleet: its keys, the members of etcd, and what these need to let us in."""

    keys: Keys
    members: tuple[str, ...]
    user: str | None = None
    password: Path | None = None
    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None

    def client(self) -> Client:
        """Return a client, for use in ``async with``. Where the options do not allow one, the command ends here."""
        return self.maker()()

    def maker(self) -> Callable[[], Client]:
        """Return a function that makes clients. Where the options do not allow one, the command ends here."""
        from svcc.etcd.client import Client
        from svcc.etcd.values import Credentials, Tls

        if (self.user is None) != (self.password is None):
            raise click.UsageError("--etcd-user and --etcd-password-file: both or none")
        said = None if self.password is None else _read(self.password)
        shown = [file for file in (self.ca, self.certificate, self.key) if file is not None]
        for file in shown:
            _demand(file)  # the message for a file that cannot be read names it
        if self.key is not None and self.certificate is None:
            raise click.UsageError("--etcd-key needs --etcd-cert, the certificate of that key")
        try:
            credentials = None if self.user is None or said is None else Credentials(self.user, said)
            tls = Tls(self.ca, self.certificate, self.key) if shown else None
            make = partial(Client, self.members, credentials=credentials, tls=tls)
            make()
            return make
        except ValueError as error:
            fail(f"etcd: {error}", Exit.INPUT)
        except OSError as error:
            fail(f"cannot read {error.filename}: {error.strerror}" if error.filename else str(error), Exit.INPUT)

    def run(self, work: Callable[[Client], Awaitable[_Result]]) -> _Result:
        """Run ``work`` with a client, and return its result. Errors of etcd or the fleet end the command."""
        from svcc.etcd.errors import EtcdError, Malformed, NotAllowed, Unreachable

        async def connected() -> _Result:
            async with self.client() as etcd:
                return await work(etcd)

        try:
            return asyncio.run(connected())
        except NotAllowed as error:
            fail(f"{error}: etcd's roles decide who may do what", Exit.MACHINE)
        except (Unreachable, Malformed) as error:
            fail(str(error), Exit.MACHINE)
        except EtcdError as error:
            fail(str(error), Exit.INPUT)
        except FleetError as error:
            fail(str(error), Exit.INPUT)


def _read(file: Path) -> str:
    """Return the one line of a file. Where it cannot be read, the command ends here."""
    try:
        return Budget().read(str(file)).decode().rstrip("\r\n")
    except UnicodeDecodeError:
        fail(f"cannot read {file}: it is not UTF-8 text", Exit.INPUT)
    except Unreadable as error:
        fail(f"cannot read {file}: {error}", Exit.INPUT)


def _demand(file: Path) -> None:
    """Check that a file can be read; else the command ends here. Those who use the file open it again."""
    try:
        demand_file(str(file))
    except Unreadable as error:
        fail(f"cannot read {file}: {error}", Exit.INPUT)


def _options(*, required: bool) -> Iterator[Callable[[_Command], _Command]]:
    """Yield the options. Where they are required, they may stand in the environment (SVCC_FLEET, SVCC_ETCD) as well:
    people would else type them in every command."""
    fleet, etcd = ("SVCC_FLEET", "SVCC_ETCD") if required else (None, None)
    yield click.option(
        "--fleet",
        "keys",
        type=_FleetName(),
        required=required,
        envvar=fleet,
        metavar="NAME",
        help="The name of the fleet.",
    )
    yield click.option(
        "--etcd",
        "members",
        multiple=True,
        required=required,
        envvar=etcd,
        metavar="URL",
        help="A member of etcd (may be repeated).",
    )
    yield click.option("--etcd-user", "user", envvar="SVCC_ETCD_USER", metavar="NAME", help="The user that etcd knows.")
    for name, what, words in (
        ("etcd-password-file", "password", "The file with that user's password."),
        ("etcd-ca", "ca", "The authority of etcd's certificates; PEM."),
        ("etcd-cert", "certificate", "The certificate that etcd is shown; PEM."),
        ("etcd-key", "key", "The key of that certificate; PEM."),
    ):
        yield click.option(f"--{name}", what, type=_FILE, envvar=f"SVCC_{name.upper().replace('-', '_')}", help=words)


_NAMES = ("keys", "members", "user", "password", "ca", "certificate", "key")


def fleet_options(command: _Command) -> _Command:
    """Add the options of a command that asks etcd. It gets them as its argument ``place``."""
    return _placed(command, required=True)


def optional_fleet_options(command: _Command) -> _Command:
    """Add the same options to a command that can do without a fleet: then its ``place`` is None.

    The fleet's name and etcd's members are taken from the command line alone, not from the environment.
    """
    return _placed(command, required=False)


def _placed(command: _Command, *, required: bool) -> _Command:
    @wraps(command)
    def placed(**arguments: Any) -> Any:
        given = {name: arguments.pop(name) for name in _NAMES}
        if bool(given["keys"]) != bool(given["members"]):
            raise click.UsageError("--fleet and --etcd: both or none")
        if not given["keys"]:
            refuse_given("--fleet", *_NAMES)
            return command(place=None, **arguments)
        need("the fleet", "aiohttp")
        return command(place=FleetAccess(**given), **arguments)

    for option in reversed([*_options(required=required)]):
        placed = option(placed)
    return placed  # type: ignore[return-value]
