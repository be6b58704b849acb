# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Comparison of versions against librpm and against published vectors."""

from __future__ import annotations

import random
import subprocess
import typing as t
from pathlib import Path

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._packages.rpm.versions import (
    compare_evr,
    compare_versions,
)
from ansible_collections.imagescan.openshift.tests.support.data import data_path
from ansible_collections.imagescan.openshift.tests.support.programs import require_program

PAIRS = 50_000
_SIGNS = {"<": -1, "==": 0, ">": 1}

#: Prints one number a line: the order of each pair of lines. Versions that rpm refuses give "x".
_LUA = """
local lines = {}
for line in io.lines("@") do lines[#lines + 1] = line end
local out = {}
for i = 1, #lines, 2 do
  local ok, order = pcall(rpm.vercmp, lines[i], lines[i + 1])
  out[#out + 1] = ok and order or "x"
end
print(table.concat(out, "\\n"))
"""


def librpm(pairs: t.Sequence[tuple[str, str]], folder: Path) -> list[str]:
    file = folder / "pairs"
    file.write_text("".join(f"{one}\n{two}\n" for one, two in pairs), encoding="utf-8")
    program = _LUA.replace("@", str(file))
    answer = subprocess.run(
        [require_program("rpm"), "--eval", f"%{{lua:{program}}}"], capture_output=True, text=True, check=True
    )
    return answer.stdout.split()


def test_published_vectors() -> None:
    checked = 0
    for line in data_path("quay+claircore/internal/rpmver/testdata/rpmvercmp").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            one, sign, two = line.split()
            assert compare_versions(one, two) == _SIGNS[sign], line
            assert compare_versions(two, one) == -_SIGNS[sign], line
            checked += 1
    assert checked > 100


def random_text(source: random.Random) -> str:
    """From an alphabet that meets every rule: letters, digits, leading zeros, ~, ^, separators, no ASCII."""
    pieces = (
        *"0123456789",
        "00",
        "10",
        *"abzAZ",
        "rc",
        "el9",
        "~",
        "~~",
        "^",
        "^^",
        ".",
        "..",
        "_",
        "+",
        "ü",
        "漢",
        "²",
        "٣",
    )
    return "".join(source.choice(pieces) for _piece in range(source.randint(1, 8)))


def mutate(source: random.Random, text: str) -> str:
    """A near neighbour, where the rules differ: one piece inserted, removed or doubled."""
    place = source.randint(0, len(text))
    choice = source.randint(0, 3)
    if choice == 0:
        return text[:place] + source.choice("0~^.a1z") + text[place:]
    if choice == 1:
        return text[:place] + text[place + 1 :] or "0"
    if choice == 2:
        return text[:place] + text[place - 1 : place] + text[place:]
    return random_text(source)


def test_random_pairs_against_librpm(tmp_path: Path) -> None:
    source = random.Random(20261124)
    pairs = []
    for _pair in range(PAIRS):
        one = random_text(source)
        pairs.append((one, mutate(source, one)))
    theirs = librpm(pairs, tmp_path)
    assert len(theirs) == PAIRS
    ours = [str(compare_versions(*pair)) for pair in pairs]
    different = [(pair, mine, other) for pair, mine, other in zip(pairs, ours, theirs) if mine != other]
    assert not different, different[:10]
    assert min(theirs.count(order) for order in ("-1", "0", "1")) > PAIRS // 20, "the pairs do not meet every order"


def test_random_epochs_and_releases_against_librpm(tmp_path: Path) -> None:
    source = random.Random(11242026)

    def evr(text: str) -> str:
        epoch = source.choice(("", "0:", "1:", "00:", "01:", "10:", "2:"))
        return f"{epoch}{text}-{source.choice(('1', '1.el9', '2', '1~a', '10'))}"

    pairs = []
    for _pair in range(PAIRS):
        one = random_text(source)
        pairs.append((evr(one), evr(source.choice((one, mutate(source, one))))))
    theirs = librpm(pairs, tmp_path)
    assert len(theirs) == PAIRS
    different = [
        (pair, compare_evr(*pair), other) for pair, other in zip(pairs, theirs) if str(compare_evr(*pair)) != other
    ]
    assert not different, different[:10]


@pytest.mark.parametrize("length", [5_000, 100_000])
def test_numbers_longer_than_python_converts(length: int, tmp_path: Path) -> None:
    one, two = "9" * length, "1" + "0" * length
    assert compare_versions(one, two) == -1
    assert librpm([(one, two)], tmp_path) == ["-1"]
