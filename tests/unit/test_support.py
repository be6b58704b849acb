# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/support.md calls those versions tested that the suite uses, and supports what the collection asks for."""

from __future__ import annotations

import ast
import re
import typing as t
from pathlib import Path

import yaml

CHECKOUT = Path(__file__).resolve().parents[2]
TOOLS = CHECKOUT / "tests" / "tools"
VERSION = re.compile(r"\d+(?:\.\d+)+")


class Row(t.NamedTuple):
    """A line of the table."""

    supported: str
    tested: str
    expected: str


def table() -> dict[str, Row]:
    """The lines, by their first column."""
    lines = (CHECKOUT / "docs" / "support.md").read_text(encoding="utf-8").splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    return {name: Row(*others) for name, *others in cells[2:]}


def constant(path: Path, name: str) -> ast.expr:
    """What a module assigns to a name."""
    for node in ast.parse(path.read_bytes()).body:
        target = node.targets[0] if isinstance(node, ast.Assign) else None
        if isinstance(node, ast.Assign) and isinstance(target, ast.Name) and target.id == name:
            return node.value
    raise AssertionError(f"{path.name} does not assign {name}")


def literal(path: Path, name: str) -> t.Any:
    """The same of a literal."""
    return ast.literal_eval(constant(path, name))


def test_kubernetes_is_the_one_that_the_harness_builds() -> None:
    built = literal(CHECKOUT / "tests" / "cluster" / "harness" / "binaries.py", "KUBERNETES")
    row = table()["Kubernetes"]
    assert VERSION.findall(row.tested) == [built]
    assert row.supported.endswith(built.rpartition(".")[0])


def test_cores_are_those_of_the_suite() -> None:
    cores = literal(TOOLS / "suite.py", "CORES")
    pinned = [VERSION.findall(core)[0] for _pythons, core, _collections in cores.values() if "==" in core]
    row = table()["ansible-core"]
    assert VERSION.findall(row.tested) == pinned
    assert ("newest" in row.tested) == any("==" not in core for _pythons, core, _collections in cores.values())
    runtime = yaml.safe_load((CHECKOUT / "meta" / "runtime.yml").read_text(encoding="utf-8"))
    assert runtime["requires_ansible"] == f">={VERSION.findall(row.supported)[0]}.0"


def test_pythons_of_the_controller_are_those_that_the_cores_run_on() -> None:
    tried = {
        python for pythons, _core, _collections in literal(TOOLS / "suite.py", "CORES").values() for python in pythons
    }
    row = table()["Python on the controller"]
    assert set(VERSION.findall(row.tested)) <= tried
    assert not set(VERSION.findall(row.expected)) & tried


def test_pythons_of_pods_are_those_that_run_the_program() -> None:
    parameters = constant(CHECKOUT / "tests" / "oracle" / "test_scanner_pod.py", "PYTHONS")
    run = [node.value for node in ast.walk(parameters) if isinstance(node, ast.Constant)]
    row = table()["Python in scanner pods"]
    assert sorted(VERSION.findall(row.tested)) == sorted(run)
    assert VERSION.findall(row.supported)[0] == run[0]


def test_collections_are_those_of_the_environments() -> None:
    tested = [version for _ansible, version in literal(TOOLS / "environments.py", "KUBERNETES_CORE").values()]
    row = table()["kubernetes.core"]
    assert VERSION.findall(row.tested) == tested
    galaxy = yaml.safe_load((CHECKOUT / "galaxy.yml").read_text(encoding="utf-8"))
    assert galaxy["dependencies"]["kubernetes.core"] == f">={VERSION.findall(row.supported)[0]}"
    awx = literal(TOOLS / "environments.py", "AWX")[1]
    assert VERSION.findall(table()["Ansible Automation Platform"].tested) == [awx]


def test_nothing_is_called_both_tested_and_expected() -> None:
    for name, row in table().items():
        assert row.tested, name
        if name != "OpenShift":  # of which a part is tested
            assert not set(VERSION.findall(row.tested)) & set(VERSION.findall(row.expected)), name
