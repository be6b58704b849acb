# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Slips of the fingers in names that people write: all are refused, and nearly always with the name that was meant.

Each goes the way that it goes in a run: through the lookups of roles and playbooks, a module that is called, or the
readers of policies and exceptions.
"""

from __future__ import annotations

import dataclasses
import json
import random
import re
import typing as t
from functools import partial
from pathlib import Path

import pytest
from ansible_collections.imagescan.openshift.plugins.lookup.option_group import GROUPS
from ansible_collections.imagescan.openshift.plugins.lookup.playbook_variables import LookupModule as OfPlaybook
from ansible_collections.imagescan.openshift.plugins.lookup.unknown_variables import LookupModule as OfRole
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import InputError
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.exceptions import load_exceptions
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts.policies import (
    DEFAULT_POLICY_TEXT,
    load_policies,
)
from ansible_collections.imagescan.openshift.plugins.plugin_utils._values import CHOICES, OPTIONS, types_of
from ansible_collections.imagescan.openshift.plugins.plugin_utils._variables import PLAYBOOKS, ROLES, options_of
from ansible_collections.imagescan.openshift.tests.support.modules import run_module

KEYBOARD = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
SLIPS = ("neighbour", "dropped", "doubled", "swapped", "plural", "hyphen")
MODULES = json.loads((Path(__file__).parent / "golden/modules.json").read_text(encoding="utf-8"))
EXCEPTION = {
    "id": "CVE-2026-1",
    "reason": "a",
    "expires": "2099-01-01",
    "owner": "a",
    "packages": "[a]",
    "images": "[a]",
    "policies": "[a]",
    "ticket": "T-1",
    "justification": "vulnerable_code_not_present",
}


class Templar:
    """Gives variables as they are."""

    def template(self, value: t.Any, **_options: t.Any) -> t.Any:
        return value


@dataclasses.dataclass(frozen=True)
class Place:
    """A place in which people write one of some ``words``; ``say`` gives what is said of another, "" for nothing."""

    words: t.Collection[str]
    say: t.Callable[[str], str]


def in_role(role: str, word: str, variable: str = "", *, many: bool = False) -> str:
    """Give a role a variable of that name; or give ``variable`` an option of that name, in a list if ``many``."""
    given: t.Any = {word: "x"}
    if variable:
        given = {variable: [given] if many else given}
    return "; ".join(OfRole(templar=Templar()).run([role], given))


def as_value(owner: str, variable: str, word: str) -> str:
    """Give a variable of a role or playbook that value."""
    if owner in PLAYBOOKS:
        return in_playbook(owner, variable, word)
    return "; ".join(OfRole(templar=Templar()).run([owner], {variable: word}))


def in_playbook(name: str, variable: str, value: str = "x") -> str:
    return "; ".join(OfPlaybook(templar=Templar()).run([name], {variable: value})[0]["mistakes"])


def in_document(read: t.Callable[..., t.Any], text: str) -> str:
    try:
        read(text, "x.yml")
    except InputError as error:
        return str(error)
    return ""


def in_policy(key: str, word: str) -> str:
    text = re.sub(rf"(?m)^( +(?:- )?){key}:", rf"\1{word}:", DEFAULT_POLICY_TEXT, count=1)
    return in_document(load_policies, text)


def in_exception(word: str) -> str:
    entries = [f"{key}: {value}" for key, value in EXCEPTION.items()] + ([f"{word}: x"] if word else [])
    return in_document(load_exceptions, "- " + "\n  ".join(entries) + "\n")


def in_module(module: str, folder: Path, word: str, option: str = "", *, many: bool = False) -> str:
    """Give a module an option of that name; or give ``option`` one, in a list if ``many``."""
    given: t.Any = {word: "x"}
    if option:
        given = {option: [given] if many else given}
    result = run_module(module, given, folder)
    return str(result["msg"]) if result.get("failed") else ""


def variables() -> list[Place]:
    """Names of variables, each role and playbook by itself."""
    roles = [Place(options_of(path.name), partial(in_role, path.name)) for path in sorted(ROLES.iterdir())]
    own = {name: playbook.own for name, playbook in PLAYBOOKS.items() if playbook.own}
    return roles + [Place(list(names), partial(in_playbook, name)) for name, names in own.items()]


def inner() -> list[Place]:
    """Options of dictionaries, and choices."""
    groups: dict[str, t.Collection[str]] = {**OPTIONS, **{name: list(group.types) for name, group in GROUPS.items()}}
    places = []
    for name, words in groups.items():
        role = name.partition("_")[0]
        many = types_of(role).get(name) == "dicts"
        places.append(Place(words, partial(in_role, role, variable=name, many=many)))
    for name, choices in CHOICES.items():
        words = [word for word in choices if len(word) > 2]
        if words and "." not in name:
            places.append(Place(words, partial(as_value, name.partition("_")[0], name)))
    return places


def documents() -> list[Place]:
    """Keys of policies and exceptions."""
    assert in_document(load_policies, DEFAULT_POLICY_TEXT) == in_exception("") == ""
    keys = dict.fromkeys(re.findall(r"(?m)^ +(?:- )?([a-z_]+):", DEFAULT_POLICY_TEXT))
    return [*(Place([key], partial(in_policy, key)) for key in keys), Place(list(EXCEPTION), in_exception)]


def options(folder: Path) -> list[Place]:
    """Options of modules, and options in them."""
    places = []
    for module, description in MODULES.items():
        if module.startswith("fragment "):
            continue
        spec = dict(description["options"])
        for fragment in description["fragments"]:
            spec.update(MODULES.get(f"fragment {fragment.rpartition('.')[2]}", {}))
        places.append(Place(list(spec), partial(in_module, module, folder)))
        for name, option in spec.items():
            if option.get("suboptions"):
                say = partial(in_module, module, folder, option=name, many=option["type"] == "list")
                places.append(Place(list(option["suboptions"]), say))
    return places


def slipped(random_: random.Random, word: str) -> str:
    """Write a word with one slip."""
    slip = random_.choice(SLIPS)
    at = random_.randrange(len(word))
    if slip == "neighbour":
        row = next((row for row in KEYBOARD if word[at] in row), None)
        if row is None:
            return word
        place = row.index(word[at])
        return word[:at] + random_.choice(row[max(0, place - 1) : place] + row[place + 1 : place + 2]) + word[at + 1 :]
    if slip == "dropped":
        return word[:at] + word[at + 1 :]
    if slip == "doubled":
        return word[:at] + word[at] + word[at:]
    if slip == "swapped":
        return word[:at] + word[at + 1 : at + 2] + word[at] + word[at + 2 :]
    if slip == "plural":
        return word[:-1] if word.endswith("s") else f"{word}s"
    return word.replace("_", "-", 1)


@pytest.mark.parametrize("seed", [20261203, *(pytest.param(seed, marks=pytest.mark.full) for seed in range(1, 6))])
def test_of_100_slips_all_are_refused_and_95_named_rightly(tmp_path: Path, seed: int) -> None:
    random_ = random.Random(seed)
    known = {word for place in variables() for word in place.words}
    missed: list[str] = []
    for places, count in ((variables(), 40), (options(tmp_path), 25), (documents(), 20), (inner(), 15)):
        slips: list[tuple[Place, str, str]] = []
        while len(slips) < count:
            place = random_.choice(places)
            word = random_.choice(list(place.words))
            wrong = slipped(random_, word)
            # With two underscores it is a variable that the role has for itself.
            if wrong and wrong not in place.words and wrong not in known and "__" not in wrong:
                slips.append((place, word, wrong))
        for place, word, wrong in slips:
            said = place.say(wrong)
            assert wrong in said, f"{wrong} for {word} was not refused: {said}"
            if f"did you mean '{word}'?" not in said:
                missed.append(f"{wrong} for {word}: {said}")
    assert len(missed) <= 5, missed
