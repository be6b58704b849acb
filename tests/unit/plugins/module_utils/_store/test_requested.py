# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images that a store does not know are told with the names in it that are written most alike."""

from __future__ import annotations

import types
import typing as t

from ansible_collections.imagescan.openshift.plugins.module_utils._store.model import StoredImage, unresolved_key
from ansible_collections.imagescan.openshift.plugins.module_utils._store.requested import (
    NAME_UNCONFIRMED,
    unknown_images,
)


def image(key: str, digest: str, *names: str, code: str = "") -> StoredImage:
    return StoredImage(key, digest, "image", "", names, "", code, "", "", ())


def test_what_the_store_does_not_know_is_told_with_what_is_written_most_alike() -> None:
    known = [image("sha256:1", "sha256:1", "quay.io/team/payments:1"), image("sha256:2", "sha256:2", "quay.io/x/db:9")]
    store = t.cast(t.Any, types.SimpleNamespace(images=types.SimpleNamespace(all=lambda: known)))
    wanted = [
        known[0],
        image(unresolved_key("quay.io/team/payment:1"), "", "quay.io/team/payment:1"),
        image("sha256:" + "f" * 64, "sha256:" + "f" * 64),
        image(unresolved_key("quay.io/x/db:9"), "", "quay.io/x/db:9", code=NAME_UNCONFIRMED),
    ]
    unknown = unknown_images(store, wanted)
    assert sorted(unknown) == ["quay.io/team/payment:1", "sha256:" + "f" * 64]
    assert unknown["quay.io/team/payment:1"][0] == "quay.io/team/payments:1"
    assert unknown["sha256:" + "f" * 64] == []
