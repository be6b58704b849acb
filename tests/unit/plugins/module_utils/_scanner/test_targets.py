# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What discovery learnt about an image, on its way into a plan."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._errors import InputError
from ansible_collections.imagescan.openshift.plugins.module_utils._scanner.targets import Request, request_of

DIGEST = "sha256:" + "a" * 64
NAMED = {"digest": DIGEST, "reference": "r.example/a:1"}


def test_what_discovery_learnt_is_kept() -> None:
    learnt = {"size": 4711, "layers": ["0123456789ab", "ba9876543210"], "platform": "linux/arm64", "kind": "image"}
    target = f"r.example/a@{DIGEST}"
    names = ("r.example/a:1",)
    assert request_of({**NAMED, **learnt}) == Request(
        target, DIGEST, names, 4711, ("0123456789ab", "ba9876543210"), "linux/arm64", "image"
    )
    assert request_of(NAMED) == Request(target, DIGEST, names)
    assert request_of({**NAMED, "size": None, "layers": None, "platform": None, "kind": None}) == request_of(NAMED)


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
    ],
)
def test_what_is_no_fact_is_refused(wrong: dict[str, t.Any]) -> None:
    with pytest.raises(InputError):
        request_of({**NAMED, **wrong})
