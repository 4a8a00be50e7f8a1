"""Build svcc's packages: ``python packages --help``."""

from __future__ import annotations

import os
import subprocess
from importlib.metadata import version
from pathlib import Path

import click
import deb
from single_file import build_single_file

from support.tools.wheel import build

ROOT = Path(__file__).parents[1]
_RELEASES = {release.name: release for release in deb.RELEASES}


@click.command()
@click.argument("releases", nargs=-1, type=click.Choice([*_RELEASES]))
@click.option(
    "--into",
    type=click.Path(path_type=Path),
    default=ROOT / "dist",
    help="The folder for the packages; what it holds is deleted first.",
)
def main(releases: tuple[str, ...], into: Path) -> None:
    """Build all packages in dist/: the source distribution, the wheel, a single file that Python runs, and a Debian
    package for each release, or for those that are named."""
    wheel = build(into)
    build_single_file(wheel, into / "svcc.pex")
    for name in releases or _RELEASES:
        deb.build(_RELEASES[name], wheel, into, version=version("svcc"), time=_time_of_sources())
    for made in sorted(into.iterdir()):
        click.echo(f"{made.name}  {made.stat().st_size / 1e6:.1f} MB")


def _time_of_sources() -> int:
    """Return SOURCE_DATE_EPOCH (reproducible-builds.org), or the time of the last commit, or that of CHANGELOG.md
    without git.

    In seconds since 1970.
    """
    if given := os.environ.get("SOURCE_DATE_EPOCH"):
        return int(given)
    said = subprocess.run(["git", "log", "-1", "--format=%ct"], cwd=ROOT, check=False, capture_output=True, text=True)
    return int(said.stdout) if said.returncode == 0 else int((ROOT / "CHANGELOG.md").stat().st_mtime)


if __name__ == "__main__":
    main()
