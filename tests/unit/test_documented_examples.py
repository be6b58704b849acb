# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What README and docs/ show exists as they show it: playbooks, variables, options of modules, policies.

The examples of docs/triggers are run besides, by tests that ask ``tests/support/examples.py`` for them.
"""

from __future__ import annotations

import importlib
import re
import typing as t
from pathlib import Path

import pytest
import yaml
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.policies import load_policies

CHECKOUT = Path(__file__).resolve().parents[2]
PAGES = [CHECKOUT / "README.md", *sorted((CHECKOUT / "docs").rglob("*.md"))]
OURS = "imagescan.openshift."
_BLOCK = re.compile(r"^```(?P<language>\w*)(?P<words>[^\n]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_COMMAND = re.compile(r"ansible-playbook ((?:[^\n]*\\\n)*[^\n]*)")
_GIVEN = re.compile(r"(?:-e|--extra-vars)[ =]+'?(\w+)=")
#: Blocks of docs/triggers that no test runs, by what they begin with, and why.
NOT_RUN = {
    "image-scan:": "for GitLab",
    "ansible-builder build": "needs a container engine",
    "/root/.local/share/imagescan/store.db": "a message; tests/unit has it",
    "ansible-galaxy collection install awx.awx": "needs Galaxy",
    "- name: Let teams do their part": "the fake controller keeps no teams; the page says so",
}


class Block(t.NamedTuple):
    """A fenced block. ``words``: what follows its language."""

    page: str
    language: str
    words: str
    text: str


def blocks() -> list[Block]:
    """All of them."""
    found = []
    for page in PAGES:
        for block in _BLOCK.finditer(page.read_text(encoding="utf-8")):
            name = str(page.relative_to(CHECKOUT))
            found.append(Block(name, block["language"], block["words"], block["text"]))
    return found


def documents() -> list[tuple[str, t.Any]]:
    """What the blocks of YAML hold, each with its page."""
    return [(block.page, yaml.safe_load(block.text)) for block in blocks() if block.language == "yaml"]


def tasks(value: t.Any) -> t.Iterator[dict[str, t.Any]]:
    """All mappings that call something of ours, wherever they stand."""
    if isinstance(value, dict):
        if any(str(key).startswith(OURS) for key in value):
            yield value
        value = list(value.values())
    if isinstance(value, list):
        for one in value:
            yield from tasks(one)


def options(module: str) -> dict[str, t.Any]:
    """The documented options of a module, by name."""
    documented = yaml.safe_load(
        importlib.import_module(f"ansible_collections.{OURS}plugins.modules.{module}").DOCUMENTATION
    )
    found = dict(documented["options"])
    for fragment in documented.get("extends_documentation_fragment", ()):
        name = fragment.removeprefix(OURS)
        if name != fragment and "." not in name:  # those with a dot describe attributes
            described = importlib.import_module(f"ansible_collections.{OURS}plugins.doc_fragments.{name}")
            found |= yaml.safe_load(described.ModuleDocFragment.DOCUMENTATION)["options"]
    return found


def variables() -> set[str]:
    """Variables that somebody can give: of a role, of all roles, of a playbook or of a rulebook."""
    known: set[str] = set()
    for role in (CHECKOUT / "roles").iterdir():
        specs = yaml.safe_load((role / "meta/argument_specs.yml").read_text(encoding="utf-8"))
        known |= set(specs["argument_specs"]["main"]["options"])
        known |= set(re.findall(r"\bimagescan_\w+", (role / "defaults/main.yml").read_text(encoding="utf-8")))
    for pattern in ("playbooks/*.yml", "extensions/eda/rulebooks/*.yml"):
        for path in CHECKOUT.glob(pattern):
            known |= set(re.findall(r"\b[a-z]\w+\b", path.read_text(encoding="utf-8")))
    return known


@pytest.mark.parametrize("page", [str(page.relative_to(CHECKOUT)) for page in PAGES])
def test_commands_name_playbooks_and_variables_that_exist(page: str) -> None:
    known = variables()
    for command in _COMMAND.findall((CHECKOUT / page).read_text(encoding="utf-8")):
        playbook = re.search(rf"{re.escape(OURS)}(\w+)", command)
        if playbook:
            assert (CHECKOUT / "playbooks" / f"{playbook[1]}.yml").is_file(), command
        assert set(_GIVEN.findall(command)) <= known, command


def test_tasks_give_options_that_exist() -> None:
    found = 0
    for page, document in documents():
        for task in tasks(document):
            for name, given in task.items():
                module = CHECKOUT / "plugins/modules" / f"{str(name).removeprefix(OURS)}.py"
                if str(name).startswith(OURS) and module.is_file():
                    described = options(module.stem)
                    assert set(given) <= set(described), (page, name)
                    needed = {option for option, one in described.items() if one.get("required")}
                    assert needed <= set(given), (page, name)
                    found += 1
    assert found >= 6


def test_variables_of_roles_exist() -> None:
    known, prefixes = variables(), tuple(f"{role.name}_" for role in (CHECKOUT / "roles").iterdir())
    found = 0
    for page, document in documents():
        for name in document if isinstance(document, dict) else ():
            if str(name).startswith((*prefixes, "imagescan_")):
                assert name in known, (page, name)
                found += 1
    assert found >= 20


def test_policies_can_be_read() -> None:
    policy = re.compile(r"- name: [\w-]+\n  (?:compliance|vulnerabilities|max_age):")
    shown = [block for block in blocks() if block.language == "yaml" and policy.match(block.text)]
    assert shown
    for block in shown:
        assert load_policies(block.text, block.page)


def test_every_example_of_a_trigger_is_run_or_says_why_not() -> None:
    left = [block for block in blocks() if block.page.startswith("docs/triggers/") and "run=" not in block.words]
    unknown = [block for block in left if not block.text.startswith(tuple(NOT_RUN))]
    assert unknown == []
    assert len(left) == len(NOT_RUN)
