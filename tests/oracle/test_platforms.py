# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Platforms: what containerd's matcher and containers/image (CRI-O) decide, beside our one rule."""

from __future__ import annotations

import json
import random
import subprocess
import typing as t
from pathlib import Path

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._images.model import Platform
from ansible_collections.imagescan.openshift.plugins.module_utils._images.platforms import choose, matches, normalized
from ansible_collections.imagescan.openshift.tests.support.go_programs import go_program

#: As they stand in indexes: usual ones, other names, old spellings, variants that nobody knows, odd letters.
PLATFORMS = [
    Platform(*text.split("/"))
    for text in (
        *("linux/amd64", "linux/amd64/v1", "linux/amd64/v2", "linux/amd64/v3", "linux/amd64/v4", "linux/amd64/3"),
        *("linux/x86_64", "linux/x86-64/v2", "Linux/AMD64", "linux/386", "linux/i386", "linux/386/sse2"),
        *("linux/arm64", "linux/arm64/v8", "linux/arm64/8", "linux/aarch64", "linux/arm64/v8.2", "linux/arm64/v8.9"),
        *("linux/arm64/v9", "linux/arm64/9", "linux/arm64/v9.2", "linux/arm64/v9.7", "linux/arm64/v10"),
        *("linux/arm", "linux/arm/v5", "linux/arm/v6", "linux/arm/7", "linux/arm/v8", "linux/armhf", "linux/armel"),
        *("linux/armhf/v6", "linux/ppc64le", "linux/ppc64le/power9", "linux/s390x", "linux/riscv64", "windows/amd64"),
        *("macos/arm64", "darwin/arm64/v8", "l\u0130nux/amd64", "unknown/unknown"),
    )
]
#: What a node of a wanted platform without a variant may be.
PROCESSORS: t.Mapping[str, t.Sequence[str]] = {
    "amd64": ("", "v2", "v3", "v4"),
    "arm64": ("", "v8", "v8.2", "v8.9", "v9", "v9.2", "v9.7"),
    "arm": ("", "v5", "v6", "v7", "v8"),
}
INDEXES = 2000


class Answer(t.NamedTuple):
    """What the program says: of each pair, and for each node of each index what it takes (-1: nothing)."""

    matches: list[list[bool]]
    containerd: list[list[int]]
    crio: list[list[int]]


class Question(t.NamedTuple):
    """An index, the platform that a user asks for, and the nodes that it may mean."""

    wanted: Platform
    nodes: tuple[Platform, ...]
    entries: tuple[Platform | None, ...]


def nodes_of(wanted: Platform) -> tuple[Platform, ...]:
    """Nodes that a wanted platform means, the baseline first if it names no variant.

    containerd and CRI-O see every amd64 processor without a variant, whatever the user knows of it.
    """
    form = normalized(wanted)
    if not names_variant(wanted):
        variants = PROCESSORS.get(form.architecture, ("",))
    else:
        variants = (form.variant, "") if form.architecture == "amd64" else (wanted.variant or form.variant,)
    return tuple(Platform(form.os, form.architecture, variant) for variant in dict.fromkeys(variants))


def names_variant(platform: Platform) -> bool:
    """Whether a platform says which processors it means."""
    return bool(platform.variant) or platform.architecture in ("armhf", "armel")


def asked() -> list[Question]:
    """Indexes of up to five entries; half of them of one family, so that variants and fallbacks meet."""
    chance = random.Random("platforms")
    questions = []
    for number in range(INDEXES):
        wanted = PLATFORMS[number % len(PLATFORMS)]
        near = [platform for platform in PLATFORMS if platform != wanted and _near(wanted, platform)]
        pool: list[Platform | None] = [*(near if chance.random() < 0.5 and near else PLATFORMS), None]
        entries = tuple(chance.choice(pool) for _entry in range(chance.randint(1, 5)))
        questions.append(Question(wanted, nodes_of(wanted), entries))
    return questions


def _near(wanted: Platform, platform: Platform) -> bool:
    families = {"386": "x86", "amd64": "x86", "arm": "arm", "arm64": "arm"}
    pair = [families.get(normalized(each).architecture, normalized(each).architecture) for each in (wanted, platform)]
    return pair[0] == pair[1]


def as_json(platform: Platform | None) -> dict[str, str] | None:
    """A platform as OCI writes it."""
    if platform is None:
        return None
    texts = {"os": platform.os, "architecture": platform.architecture, "variant": platform.variant}
    return {key: text for key, text in texts.items() if text or key != "variant"}


@pytest.fixture(scope="module")
def questions() -> list[Question]:
    return asked()


@pytest.fixture(scope="module")
def answer(questions: list[Question]) -> Answer:
    indexes = [
        {"nodes": list(map(as_json, each.nodes)), "entries": list(map(as_json, each.entries))} for each in questions
    ]
    question = json.dumps({"platforms": list(map(as_json, PLATFORMS)), "indexes": indexes})
    program = go_program(Path(__file__).parent / "platforms")
    result = subprocess.run([str(program)], input=question, capture_output=True, text=True, check=True)
    return Answer(**json.loads(result.stdout))


def test_every_pair_of_forty_platforms_is_decided_as_containerd_decides(answer: Answer) -> None:
    assert len(set(PLATFORMS)) == 40
    ours = [[matches(node, image) for image in PLATFORMS] for node in PLATFORMS]
    different = [
        f"{node} runs {image}: containerd {theirs}, we {our}"
        for node, their_row, our_row in zip(PLATFORMS, answer.matches, ours)
        for image, theirs, our in zip(PLATFORMS, their_row, our_row)
        if theirs != our
    ]
    assert different == []
    assert 100 < sum(map(sum, answer.matches)) < 1500


@pytest.mark.parametrize("runtime", ["containerd", "crio"])
def test_whatever_a_node_takes_of_an_index_counts(answer: Answer, questions: list[Question], runtime: str) -> None:
    overlooked, taken_at_all = [], 0
    for question, taken in zip(questions, getattr(answer, runtime)):
        chosen, _missing = choose(question.entries, [question.wanted])
        taken_at_all += sum(position >= 0 for position in taken)
        overlooked += [
            f"{node} takes {question.entries[position]} of {list(map(str, question.entries))}, asked for"
            f" {question.wanted}"
            for node, position in zip(question.nodes, taken)
            if position >= 0 and position not in chosen
        ]
    assert overlooked == []
    assert taken_at_all > INDEXES // 4


def test_a_platform_is_missing_where_containerd_finds_nothing_that_names_it(
    answer: Answer, questions: list[Question]
) -> None:
    for question, taken in zip(questions, answer.containerd):
        _chosen, missing = choose(question.entries, [question.wanted])
        if not names_variant(question.wanted):
            assert bool(missing) is not (taken[0] >= 0 and question.entries[taken[0]] is not None), question


def test_images_that_no_node_takes_seldom_count(answer: Answer, questions: list[Question]) -> None:
    """More may count than any one runtime takes, but what has no platform in common never does."""
    counted = taken_at_all = 0
    for question, containerd, crio in zip(questions, answer.containerd, answer.crio):
        chosen, _missing = choose(question.entries, [question.wanted])
        counted += len([position for position in chosen if question.entries[position] is not None])
        taken_at_all += len({*containerd, *crio} - {-1})
        for position in chosen:
            entry = question.entries[position]
            assert entry is None or _near(question.wanted, entry)
    assert counted < 3 * taken_at_all
