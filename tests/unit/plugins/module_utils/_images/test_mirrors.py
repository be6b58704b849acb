# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import InputError, RegistryError
from ansible_collections.imagescan.openshift.plugins.module_utils._images.mirrors import (
    Mirror,
    pull_places,
    read_mirror,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._images.references import parse_reference

DIGEST = "sha256:" + "a" * 64


def places(reference: str, *mirrors: Mirror) -> list[str]:
    return [str(place) for place in pull_places(parse_reference(reference), mirrors)]


@pytest.mark.parametrize(
    ("source", "mirror", "reference", "expected"),
    [
        ("quay.io", "m.local:5000", "quay.io/team/app:1", "m.local:5000/team/app:1"),
        ("quay.io", "m.local/copy", "quay.io/team/app:1", "m.local/copy/team/app:1"),
        ("quay.io/team", "m.local/t", "quay.io/team/app:1", "m.local/t/app:1"),
        ("quay.io/team/app", "m.local/other", "quay.io/team/app:1", "m.local/other:1"),
        ("QUAY.io/team", "M.local/t", "Quay.IO/team/app:1", "m.local/t/app:1"),
        ("quay.io/team", "m.local/t", "quay.io/teams/app:1", None),
        ("quay.io/team/ap", "m.local/t", "quay.io/team/app:1", None),
        ("quay.io/team/app/sub", "m.local/t", "quay.io/team/app:1", None),
        ("quay.io", "m.local", "quay.io:443/team/app:1", None),
        ("quay.io:443", "m.local", "quay.io:443/team/app:1", "m.local/team/app:1"),
        ("docker.io", "m.local", "nginx:1", "m.local/library/nginx:1"),
        ("index.docker.io/library", "m.local/hub", "nginx", "m.local/hub/nginx:latest"),
        ("*.example.com", "m.local/x", "r.example.com/team/app:1", "m.local/x/team/app:1"),
        ("*.example.com", "m.local/x", "a.b.example.com/team/app:1", "m.local/x/team/app:1"),
        ("*.example.com", "m.local/x", "example.com/team/app:1", None),
        ("*.example.com", "m.local/x", "r.badexample.com/team/app:1", None),
        ("*.example.com", "m.local/x", "quay.io/r.example.com/app:1", None),
    ],
)
def test_a_mirror_stands_for_what_its_source_matches(
    source: str, mirror: str, reference: str, expected: str | None
) -> None:
    found = places(reference, Mirror(source, (mirror,)))
    itself = str(parse_reference(reference))
    assert found == ([expected, itself] if expected else [itself])


def test_the_longest_source_counts_alone_for_pulls_of_every_kind() -> None:
    mirrors = (
        Mirror("quay.io", ("a.local",)),
        Mirror("quay.io/team", ("b.local/team", "c.local/team"), "digest"),
        Mirror("quay.io/team", ("c.local/team", "d.local/team"), "tag"),
        Mirror("*.io", ("e.local",)),
    )
    assert places("quay.io/other/app:1", *mirrors) == ["a.local/other/app:1", "quay.io/other/app:1"]
    assert places("gcr.io/other/app:1", *mirrors) == ["e.local/other/app:1", "gcr.io/other/app:1"]
    assert places("quay.io/team/app:1", *mirrors) == [
        "c.local/team/app:1",
        "d.local/team/app:1",
        "quay.io/team/app:1",
    ]
    for pinned in (f"quay.io/team/app@{DIGEST}", f"quay.io/team/app:1@{DIGEST}"):
        rest = pinned.partition("/")[2]
        assert places(pinned, *mirrors) == [f"b.local/{rest}", f"c.local/{rest}", pinned]


def test_a_source_among_its_mirrors_has_its_place_there() -> None:
    mirror = Mirror("quay.io/team", ("a.local/team", "quay.io/team", "b.local/team"))
    assert [place.partition("/")[0] for place in places("quay.io/team/app", mirror)] == [
        "a.local",
        "quay.io",
        "b.local",
    ]


def test_a_source_that_may_not_be_contacted() -> None:
    mirrors = (
        Mirror("quay.io/team", ("a.local/team", "quay.io/team"), "digest", never_contact_source=True),
        Mirror("quay.io/team", ("b.local/team",), "tag"),
    )
    assert places(f"quay.io/team/app@{DIGEST}", *mirrors) == [f"a.local/team/app@{DIGEST}"]
    assert places("quay.io/team/app:1", *mirrors) == ["b.local/team/app:1"]
    with pytest.raises(RegistryError) as caught:
        places("quay.io/team/app:1", mirrors[0])
    assert caught.value.code == "source-blocked"
    assert "pulls by tag" in str(caught.value)


def test_a_mirror_without_a_repository() -> None:
    mirror = Mirror("quay.io/team/app", ("a.local",))
    assert places("quay.io/team/app/sub", mirror) == ["a.local/sub:latest", "quay.io/team/app/sub:latest"]
    with pytest.raises(InputError, match=r"the mirror a\.local is not a place for quay\.io/team/app"):
        places("quay.io/team/app", mirror)


@pytest.mark.parametrize(
    "entry",
    [
        {"source": "", "mirrors": ["a.local"]},
        {"source": "https://quay.io", "mirrors": ["a.local"]},
        {"source": "quay.io/team:1", "mirrors": ["a.local"]},
        {"source": "quay.io/", "mirrors": ["a.local"]},
        {"source": "quay.*", "mirrors": ["a.local"]},
        {"source": "*.example.com/team", "mirrors": ["a.local"]},
        {"source": "*.example.com:5000", "mirrors": ["a.local"]},
        {"source": "quay.io", "mirrors": ["*.local"]},
        {"source": "quay.io", "mirrors": ["a.local/UPPER"]},
        {"source": "quay.io", "mirrors": ["a.local"], "pulls": "all"},
        {"source": "quay.io", "mirrors": "a.local"},
        {"source": 1, "mirrors": []},
        {"mirrors": ["a.local"]},
        {"source": "quay.io", "mirrors": ["a.local"] * 1001},
    ],
)
def test_entries_that_are_wrong(entry: dict[str, t.Any]) -> None:
    with pytest.raises(InputError):
        read_mirror(entry)


def test_entries_as_options_give_them() -> None:
    entry = {"source": "Quay.io", "mirrors": ["a.local", "A.local"], "pulls": None, "never_contact_source": True}
    assert read_mirror(entry) == Mirror("quay.io", ("a.local",), "any", never_contact_source=True)
