# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names and wording: what ``CONTRIBUTING.md`` asks for and a linter can tell."""

from __future__ import annotations

import ast
import collections
import re
import typing as t
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
#: Ansible wants these names.
GIVEN = {"ActionModule", "FilterModule", "LookupModule", "ModuleDocFragment"}


def test_no_class_name_is_used_twice() -> None:
    places = collections.defaultdict(list)
    for path in sorted((CHECKOUT / "plugins").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.ClassDef) and node.name not in GIVEN:
                places[node.name].append(f"{path.relative_to(CHECKOUT)}:{node.lineno}")
    assert not {name: found for name, found in places.items() if len(found) > 1}, (
        "give the more specific one a longer name"
    )


#: "is no list" -> "is not a list". "There is no list" and "is no longer" are as they should be.
NOT_A = re.compile(r"(?<!here )\b(?:is|are|was|were) no (?!longer\b)[a-zA-Z{]")


def prose() -> t.Iterator[tuple[Path, str]]:
    """Files with messages, documentation and comments, each as one line: sentences go on behind a line's end."""
    for pattern in (
        "README.md",
        "CONTRIBUTING.md",
        "docs/**/*",
        "plugins/**/*",
        "roles/**/*",
        "playbooks/**/*",
        "extensions/**/*",
        "examples/**/*",
        "tests/**/*",
    ):
        for path in sorted(CHECKOUT.glob(pattern)):
            if (
                path.suffix in (".py", ".md", ".yml", ".sh", ".j2")
                and path.is_file()
                and path != Path(__file__).resolve()
            ):
                yield path, re.sub(r"[\s#\"]+", " ", path.read_text(encoding="utf-8"))


def test_what_is_not_a_thing_is_written_so() -> None:
    found = [f"{path.relative_to(CHECKOUT)}: {match[0]}" for path, text in prose() for match in NOT_A.finditer(text)]
    assert not found


#: Wording that reads as translated -> what to write.
TRANSLATED = {
    r"\b(?:has|have) not (?:the|what)\b": "does not have the; lacks",
    r"\bthat it must have\b": "is malformed",
    r"\bpasses? no more\b": "no longer pass",
    r"\bin the midst\b": "midway",
    r"\bbe (?:its|it) \w+ (?:only )?too\b": "even if only because",
    r"\bbelongs into\b": "goes into",
    r"\bhold a cluster to\b": "verify that a cluster grants",
    r"\ball have to be given\b": "give all of them",
    r"\bnever counts as followed\b": "never counts as compliant",
    r"\bthat lacks\.": "the missing one",
    r"\bof no use but\b": "lost, except for",
    r"\bran in no\b": "not yet tested on",
    r"\bsince (?:all|everything) (?:in it would go|goes)\b": "because deleting it deletes everything in it",
    r"\b[Ww]hen it is mended\b": "After the fix",
    r"\b[Oo]ne of an older form\b": "in an older format",
    r"\bfor the verdict of others it is not there\b": "other policies ignore it",
    r"\bthat none was withheld\b": "that nothing was withheld",
    r"\bWho is refused reads\b": "The user sees",
    r"\bno inventory of its own\b": "multi-platform index; see its images",
    r"\bexpected any of\b": "expected one of",
    r"\ba hole in one of its packages\b": "a vulnerability in",
    r"\bNothing stands against it\b": "No objections",
}


def test_nothing_reads_as_translated_in_what_people_read_first() -> None:
    pages = [path for path, _text in prose() if path.suffix == ".md" and "tests" not in path.parts]
    assert pages
    found = [
        f"{path.relative_to(CHECKOUT)}: {match[0]}; write: {better}"
        for path, text in prose()
        if path in pages
        for pattern, better in TRANSLATED.items()
        for match in re.finditer(pattern, text)
    ]
    assert not found
