"""The installed files are those of the tree, below one name."""

from __future__ import annotations

import tarfile
from configparser import ConfigParser
from email.parser import Parser
from pathlib import Path
from zipfile import ZipFile

import pytest

from support.tools import wheel
from support.tools.project import ROOT, package_directories, packages

#: Directories with Python in them that are not installed.
_NOT_INSTALLED = {"tests", "bench", "packages", "ci", "examples", "docs"}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return wheel.build(tmp_path_factory.mktemp("dist") / "out")


def _tree() -> set[str]:
    """Every file of every installed directory, by the name that it is to have."""
    found = set()
    for package, directory in package_directories().items():
        for path in directory.rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                found.add("/".join([*package.split("."), *path.relative_to(directory).parts]))
    return found


def test_every_directory_with_modules_is_a_package_or_known_not_to_be() -> None:
    directories = {path.parent for path in ROOT.glob("*/*.py")}
    installed = set(package_directories().values())
    assert {path.name for path in directories - installed} <= _NOT_INSTALLED


def test_every_package_is_listed() -> None:
    found = {
        ".".join([package, *module.parent.relative_to(directory).parts])
        for package, directory in package_directories().items()
        for module in directory.rglob("*.py")
    }
    assert sorted(packages()) == sorted(found)


#: Where systemd's units are below a prefix (systemd.unit(5)).
_UNITS = "lib/systemd/system"


@pytest.mark.slow
def test_the_wheel_holds_the_tree(built: Path) -> None:
    names = {name for name in ZipFile(built).namelist() if ".dist-info/" not in name and ".data/" not in name}
    assert names == _tree()
    assert "svcc/py.typed" in names


@pytest.mark.slow
def test_the_wheel_brings_the_units(built: Path) -> None:
    archive = ZipFile(built)
    found = {name.partition(".data/data/")[2]: archive.read(name) for name in archive.namelist() if ".data/" in name}
    units = ROOT / "systemd"
    tree = {str(path.relative_to(units)): path.read_bytes() for path in units.rglob("*") if path.is_file()}
    assert found == {f"{_UNITS}/{name}": content for name, content in tree.items()}


@pytest.mark.slow
def test_the_wheel_puts_one_name_into_site_packages(built: Path) -> None:
    tops = {name.split("/")[0] for name in ZipFile(built).namelist()}
    assert {top.split("-")[0] for top in tops} == {"svcc"}
    assert len(tops) == 3  # svcc, svcc-VERSION.dist-info, svcc-VERSION.data


@pytest.mark.slow
def test_the_wheel_carries_the_licence_and_the_command(built: Path) -> None:
    archive = ZipFile(built)
    (info,) = {name.split("/")[0] for name in archive.namelist() if ".dist-info/" in name}
    assert archive.read(f"{info}/licenses/LICENSE") == (ROOT / "LICENSE").read_bytes()
    scripts = ConfigParser()
    scripts.read_string(archive.read(f"{info}/entry_points.txt").decode())
    assert dict(scripts["console_scripts"]) == {"svcc": "svcc.__main__:program"}
    metadata = Parser().parsestr(archive.read(f"{info}/METADATA").decode())
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata["Requires-Python"] == ">=3.11"


@pytest.mark.slow
def test_the_source_distribution_holds_the_tree_too(built: Path) -> None:
    (source,) = built.parent.glob("*.tar.gz")
    with tarfile.open(source) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    files = {
        str(path.relative_to(ROOT))
        for directory in package_directories().values()
        for path in directory.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert files | {"LICENSE", "README.md", "pyproject.toml"} <= names
