# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each mistake of ``docs/mistakes.md`` ends in the one message that the page shows, before an image is fetched.

The variables of the role become options of its modules here as in its tasks, but no playbook runs.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
import yaml
from ansible_collections.imagescan.openshift.tests.support.certificates import Authority
from ansible_collections.imagescan.openshift.tests.support.mistakes import MISTAKES, Place, running_servers
from ansible_collections.imagescan.openshift.tests.support.modules import PACKAGE, run_module
from ansible_collections.imagescan.openshift.tests.support.role_values import COLLECTION, render

Json = dict[str, t.Any]
PAGE = COLLECTION / "docs/mistakes.md"
TASKS = COLLECTION / "roles/scan/tasks"
KINDS = {"kubeconfig", "token", "rights", "registry", "feed", "policy", "disk", "library"}
#: Messages that name an option or a package, and not the path or address that was given.
NAMELESS = {
    "a client certificate without its key",
    "a user name without a password",
    "the address is not a URL",
    "two addresses for one feed",
    "a token would travel in the open",
    "a token with a line break",
    "a distribution is missing",
    "a distribution is unknown",
    "nobody listens at the address",
    "a target of flags that does not exist",
    "a mirror is a URL",
    "the library for clusters is missing",
    "the library for signatures is missing",
    "the library for metrics is missing",
}
_OMITTED = "left out"
_WITHOUT = "import sys, runpy; sys.modules.update(dict.fromkeys(sys.argv.pop(1).split(',')));"


class Row(t.NamedTuple):
    """A row of the page; ``…`` in a message stands for what differs from place to place."""

    kind: str
    mistake: str
    message: str
    remedy: str

    def pattern(self) -> str:
        """A regular expression for what a module says."""
        text = f"{self.message} ({self.remedy})" if self.remedy else self.message
        return re.escape(text).replace("…", ".+")


def rows() -> list[Row]:
    """The rows of all tables of the page, by the heading above."""
    found, kind = [], ""
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            kind = line[3:].lower()
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if len(cells) == 3 and not cells[0].startswith(("mistake", "---")):
            mistake, message, remedy = (cell.replace("\\|", "|") for cell in cells)
            found.append(Row(kind, mistake, message.strip("`"), remedy.strip("`")))
    return found


ROWS = rows()
#: Kinds that tests of their own modules have, too: of these the first two are tried here by ``make test``.
ELSEWHERE = ("kubeconfig", "policy", "disk")


def cases() -> list[t.Any]:
    """The rows as parameters, most of some kinds for the full run alone."""
    first = {row.mistake for kind in ELSEWHERE for row in [row for row in ROWS if row.kind == kind][:2]}
    return [
        pytest.param(row, marks=[pytest.mark.full] if row.kind in ELSEWHERE and row.mistake not in first else [])
        for row in ROWS
    ]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Place]:
    """Files and servers that mistakes are about."""
    work = tmp_path_factory.mktemp("work")
    with running_servers(Authority.create(work / "authority"), work) as running:
        yield running


@pytest.fixture(scope="module")
def options(place: Place) -> dict[str, dict[str, Json]]:
    """Options by module and mistake, as the role makes them of its variables."""
    of_registries = [row.mistake for row in ROWS if row.kind == "registry"]
    return {
        "scan_preflight": rendered("preflight.yml", "scan_preflight", list(MISTAKES), place),
        "image_info": rendered("discover.yml", "image_info", of_registries, place),
    }


def rendered(file: str, module: str, mistakes: t.Sequence[str], place: Place) -> dict[str, Json]:
    """Options of the module in a task of the role, by mistake."""
    tasks = yaml.safe_load((TASKS / file).read_text(encoding="utf-8"))
    task = next(task for task in tasks if f"imagescan.openshift.{module}" in task)
    variables = {"omit": _OMITTED, "scan_dir": "{work}/run", **task.get("vars", {})}
    cases = {
        mistake: place({**variables, **{name: value for name, value in MISTAKES[mistake].items() if "scan_" in name}})
        for mistake in mistakes
    }
    texts = {name: str(text).strip()[2:-2] for name, text in task[f"imagescan.openshift.{module}"].items()}
    whole = "{" + ", ".join(f"'{name}': ({text})" for name, text in texts.items()) + "}"
    values = render("scan", cases, {"options": whole, "access": "scan__access"})
    return {
        mistake: {name: option for name, option in value["options"].items() if option != _OMITTED} | value["access"]
        for mistake, value in values.items()
    }


@pytest.fixture(autouse=True)
def nothing_around(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No variable and no file of the person who runs the tests."""
    for name in list(os.environ):
        if name.startswith(("K8S_AUTH_", "KUBE", "IMAGESCAN_STORE", "REGISTRY_")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))


def call(module: str, given: Json, absent: t.Sequence[str], home: Path) -> Json:
    """Call a module; ``absent``: packages that its Python does not have."""
    if not absent:
        return run_module(module, given, home)
    path = home / "arguments.json"
    path.write_text(json.dumps({"ANSIBLE_MODULE_ARGS": given}), encoding="utf-8")
    code = f"{_WITHOUT} runpy.run_module('{PACKAGE}.{module}', run_name='__main__', alter_sys=True)"
    command = [sys.executable, "-c", code, ",".join(absent), str(path)]
    return dict(json.loads(subprocess.run(command, capture_output=True, text=True, check=False).stdout))


def told(options: t.Mapping[str, t.Mapping[str, Json]], mistake: str, home: Path) -> list[str]:
    """The messages of a run that ends with the first module that fails, or finds nothing that could be read."""
    absent = MISTAKES[mistake].get("absent", ())
    for module, cases in options.items():
        result = call(module, cases[mistake], absent, home) if mistake in cases else {}
        if result.get("failed"):
            return [problem["message"] for problem in result.get("problems", [])] or [result["msg"]]
        if result.get("unidentified"):
            assert not result["images"]
            return [problem["message"] for problem in result["unidentified"]]
    return []


@pytest.mark.parametrize("row", cases(), ids=lambda row: row.mistake)
def test_a_mistake_is_one_message_with_its_cause_and_what_to_do(
    row: Row,
    options: t.Mapping[str, t.Mapping[str, Json]],
    place: Place,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given = MISTAKES[row.mistake]
    for name, value in place(given.get("environment", {})).items():
        monkeypatch.setenv(name, value)
    messages = told(options, row.mistake, tmp_path)
    assert len(messages) == 1, messages
    assert re.fullmatch(row.pattern(), messages[0]), f"{messages[0]}\ndiffers from\n{row.pattern()}"
    asked = [request.target for requests in place.requests.values() for request in requests]
    assert not [target for target in asked if "/blobs/" in target]
    values = [place(text.rstrip("/")) for text in re.findall(r"\{\w+\}[\w./-]*", str(given))]
    assert row.mistake in NAMELESS or not values or any(value in messages[0] for value in values)
    assert not (tmp_path / "run").exists()


def test_the_page_has_every_mistake_and_no_other() -> None:
    assert [row.mistake for row in ROWS] == list(MISTAKES)
    assert {row.kind for row in ROWS} == KINDS
    assert len(ROWS) >= 40


def test_every_message_of_the_page_says_what_to_do() -> None:
    assert not [row for row in ROWS if not row.remedy and not re.search("expected|did you mean|such as", row.message)]
