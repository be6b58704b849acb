# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What discovery learnt about an image, on its way into a plan."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import InputError
from ansible_collections.imagescan.openshift.plugins.module_utils._images.sightings import Sighting
from ansible_collections.imagescan.openshift.plugins.module_utils._scanner.targets import Request, request_of

DIGEST = "sha256:" + "a" * 64
NAMED = {"digest": DIGEST, "reference": "r.example/a:1"}
TOLD_SO = Sighting("r.example/a:1", DIGEST, "told")


def test_what_discovery_learnt_is_kept() -> None:
    learnt = {"size": 4711, "layers": ["0123456789ab", "ba9876543210"], "platform": "linux/arm64", "kind": "image"}
    target = f"r.example/a@{DIGEST}"
    names = ("r.example/a:1",)
    assert request_of({**NAMED, **learnt}) == Request(
        target, DIGEST, names, 4711, ("0123456789ab", "ba9876543210"), "linux/arm64", "image", (TOLD_SO,)
    )
    assert request_of(NAMED) == Request(target, DIGEST, names, sightings=(TOLD_SO,))
    assert request_of({**NAMED, "size": None, "layers": None, "platform": None, "kind": None}) == request_of(NAMED)


def test_who_told_of_a_name_is_kept() -> None:
    told = [
        {"reference": "r.example/a:1", "source": "import", "seen": "2026-01-01T00:00:00Z"},
        {"reference": "r.example/a:1", "source": "openshift", "seen": "2026-01-02T00:00:00Z", "cluster": "east"},
    ]
    given = {**NAMED, "references": ["r.example/a:2", f"r.example/a@{DIGEST}"], "names": told}
    assert request_of(given).sightings == (
        Sighting("r.example/a:1", DIGEST, "import", "2026-01-01T00:00:00Z"),
        Sighting("r.example/a:1", DIGEST, "openshift", "2026-01-02T00:00:00Z", "east"),
        Sighting("r.example/a:2", DIGEST, "told"),
        Sighting(f"r.example/a@{DIGEST}", DIGEST, "told"),
    )
    # Without a digest it is asked for, and nobody's word counts.
    assert request_of({"reference": "r.example/a:1", "names": told}).sightings == ()
    assert request_of("r.example/a:1").sightings == ()


@pytest.mark.parametrize(
    "wrong",
    [
        {"size": -1},
        {"size": "12"},
        {"size": True},
        {"layers": "0123456789ab"},
        {"layers": [DIGEST]},
        {"layers": [12]},
        {"platform": 1},
        {"kind": ["image"]},
        {"names": "r.example/a:1"},
        {"names": ["r.example/a:1"]},
        {"names": [{"reference": "r.example/a:1", "source": "me"}]},
        {"names": [{"reference": "r.example/a:1", "source": "registry", "seen": 1}]},
        {"names": [{"reference": "R/A", "source": "registry"}]},
    ],
)
def test_what_is_no_fact_is_refused(wrong: dict[str, t.Any]) -> None:
    with pytest.raises(InputError):
        request_of({**NAMED, **wrong})
