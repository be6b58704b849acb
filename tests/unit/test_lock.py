# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""requirements.lock: it fits requirements.txt, and pins and hashes all that it names."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

CHECKOUT = Path(__file__).resolve().parents[2]
HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")
#: Where the controller may run.
PYTHONS = ("3.11", "3.12", "3.13", "3.14")


def entries(text: str) -> list[tuple[Requirement, list[str]]]:
    """Each requirement of a file, with what follows it."""
    lines = "\n".join(line for line in text.splitlines() if not line.startswith("#")).replace("\\\n", " ")
    found = []
    for line in filter(None, map(str.strip, lines.splitlines())):
        requirement, *options = re.split(r"\s+(?=--)", line)
        found.append((Requirement(requirement), options))
    return found


def read(name: str) -> list[tuple[Requirement, list[str]]]:
    return entries((CHECKOUT / name).read_text(encoding="utf-8"))


@pytest.mark.parametrize("python", PYTHONS)
def test_each_requirement_is_locked_once_in_a_version_that_it_allows(python: str) -> None:
    environment = {"python_version": python, "python_full_version": f"{python}.0"}
    locked: dict[str, list[str]] = {}
    for requirement, _ in read("requirements.lock"):
        if requirement.marker is None or requirement.marker.evaluate(environment):
            version = str(requirement.specifier).removeprefix("==")
            locked.setdefault(canonicalize_name(requirement.name), []).append(version)
    wanted = [requirement for requirement, _ in read("requirements.txt")]
    assert len(wanted) > 5
    for requirement in wanted:
        (version,) = locked[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version), requirement


def test_every_entry_is_one_version_with_hashes() -> None:
    locked = read("requirements.lock")
    assert len(locked) > 20
    for requirement, options in locked:
        assert re.fullmatch(r"==[0-9][0-9a-z.]*", str(requirement.specifier)), requirement
        assert options, requirement
        assert all(HASH.fullmatch(option) for option in options), requirement


def test_it_names_no_registry() -> None:
    text = (CHECKOUT / "requirements.lock").read_text(encoding="utf-8")
    assert "://" not in text
    assert not re.search(r"--(?:extra-)?(?:index-url|find-links)", text)
