# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One request and its answer: content types. Whole requests are tested in ``test_client.py``."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._kubernetes import exchange as module


@pytest.mark.parametrize(
    ("method", "params", "body", "kind"),
    [
        ("POST", {"fieldManager": "us"}, b"{}", "application/json"),
        ("PATCH", None, b"{}", "application/merge-patch+json"),
        ("PATCH", {"dryRun": "All"}, b"{}", "application/merge-patch+json"),
        ("PATCH", {"fieldManager": "us"}, b"{}", "application/apply-patch+yaml"),
        ("PATCH", None, b"[]", "application/json-patch+json"),
        ("PATCH", {"fieldManager": "us"}, b"[]", "application/json-patch+json"),
    ],
)
def test_kinds_of_patches_are_told_apart(method: str, params: dict[str, t.Any] | None, body: bytes, kind: str) -> None:
    assert module._content_type(method, params, body) == kind
