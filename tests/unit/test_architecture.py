# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The layers: pure domain <- services <- plugins; what the scanner pod runs imports the standard library alone."""

from __future__ import annotations

import ast
import sys
import typing as t
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
UTILS = CHECKOUT / "plugins" / "module_utils"
#: Package -> packages of ours that it may import. Files right inside module_utils count under their own name.
ALLOWED = {
    "_core": set(),
    "_images": {"_core"},
    "_packages": {"_core", "_images"},
    "_compliance": {"_core", "_images", "_packages"},
    "_vulnerabilities": {"_core", "_images", "_packages"},
    "_verdicts": {"_core", "_images", "_packages", "_vulnerabilities", "_compliance"},
    "_reports": {"_core", "_images", "_packages", "_vulnerabilities", "_compliance", "_verdicts"},
    "_scanner": {"_core", "_images", "_packages", "_compliance"},
    "_flags": {"_core", "_images", "_verdicts", "_vulnerabilities"},
    "_store": {"_core", "_images", "_packages", "_compliance", "_scanner", "_vulnerabilities", "_verdicts", "_flags"},
    "_kubernetes": {"_core", "_images"},
    "_discovery": {"_core", "_images", "_scanner", "_kubernetes"},
    "_podscan": {"_core", "_images", "_packages", "_compliance", "_scanner", "_kubernetes"},
    "_enforcement": {"_core", "_images", "_verdicts", "_flags", "_kubernetes", "_discovery"},
    "_schedule": {"_discovery"},
    "_ansible": {
        *("_core", "_images", "_packages", "_compliance", "_vulnerabilities", "_verdicts", "_reports", "_scanner"),
        *("_flags", "_store", "_kubernetes", "_discovery", "_podscan", "_enforcement"),
    },
}
IN_THE_POD = {"_core", "_images", "_packages", "_compliance", "_scanner"}
OPTIONAL_IN_THE_POD = {"isal", "zstandard"}
FORBIDDEN_OUTSIDE_PLUGINS = {"ansible", "kubernetes", "openshift"}
FILES = sorted(UTILS.rglob("*.py"))


class Import(t.NamedTuple):
    """One import: ours (package below module_utils) or foreign (top-level name), and where it stands."""

    ours: str
    foreign: str
    at_top: bool
    line: int


def package_of(path: Path) -> str:
    """The package of a file below module_utils, or the name of a file right inside it."""
    return path.relative_to(UTILS).parts[0].removesuffix(".py")


def imports_of(path: Path) -> list[Import]:
    """Every import of a file, those inside functions too."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    top = set(map(id, tree.body))
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [(alias.name, 0) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [(node.module or alias.name, node.level) for alias in node.names]
        else:
            continue
        for name, level in names:
            if level == 0:
                found.append(Import("", name.partition(".")[0], id(node) in top, node.lineno))
                continue
            folder = path.relative_to(UTILS).parent.parts
            base = folder[: len(folder) - (level - 1)]
            found.append(Import((*base, *name.split("."))[0], "", id(node) in top, node.lineno))
    return found


def relative(path: Path) -> str:
    """Name of a test case."""
    return str(path.relative_to(UTILS))


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_imports_go_one_way(path: Path) -> None:
    package = package_of(path)
    allowed = ALLOWED[package] | {package}
    foreign = [found for found in imports_of(path) if found.ours and found.ours not in allowed]
    assert not foreign, f"{package} may import {sorted(allowed)}"


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_ansible_and_kubernetes_stay_out_of_the_domain(path: Path) -> None:
    package = package_of(path)
    if package in ("_ansible", "_kubernetes", "_podscan"):
        return
    foreign = {found.foreign for found in imports_of(path)}
    assert not foreign & (FORBIDDEN_OUTSIDE_PLUGINS | ({"sqlalchemy"} if package != "_store" else set()))


@pytest.mark.parametrize("path", [path for path in FILES if package_of(path) in IN_THE_POD], ids=relative)
def test_the_scanner_pod_needs_the_standard_library_alone(path: Path) -> None:
    foreign = {found.foreign for found in imports_of(path) if found.foreign}
    assert not foreign - set(sys.stdlib_module_names) - OPTIONAL_IN_THE_POD


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_third_party_packages_are_imported_inside_functions(path: Path) -> None:
    at_top = {found.foreign for found in imports_of(path) if found.at_top and found.foreign}
    assert not at_top - set(sys.stdlib_module_names) - {"ansible"}


def test_every_package_has_its_place_in_the_layers() -> None:
    assert {package_of(path) for path in FILES} <= set(ALLOWED)


def modules_of(path: Path) -> set[Path]:
    """The files of ours that a file imports, those inside functions too, without those that only types need."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    typed = [node for node in ast.walk(tree) if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)]
    left_out = {id(node) for block in typed for node in ast.walk(block)}
    modules = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level and id(node) not in left_out:
            base = path.parents[node.level - 1].joinpath(*(node.module or "").split(".") if node.module else ())
            names = [base, *(base / alias.name for alias in node.names)]
            modules |= {file for file in (name.parent / f"{name.name}.py" for name in names) if file.is_file()}
    return modules - {path}


def test_no_file_imports_itself_through_others() -> None:
    rest = {path: modules_of(path) for path in FILES}
    while leaves := {path for path, needed in rest.items() if not needed & rest.keys()}:
        rest = {path: needed for path, needed in rest.items() if path not in leaves}
    assert not sorted(map(relative, rest)), "these files import each other in a circle, or what does"
