# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How much of a damaged layer is read to find out whether the blob is damaged, too."""

from __future__ import annotations

import dataclasses
import typing as t

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import (
    CorruptData,
    IntegrityError,
    ScanError,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._images import layers
from ansible_collections.imagescan.openshift.plugins.module_utils._images.limits import Budget, Limits
from ansible_collections.imagescan.openshift.plugins.module_utils._images.model import Descriptor
from ansible_collections.imagescan.openshift.tests.support.layouts import GZIP, digest_of, image_of_blobs

DAMAGED = b"\x1f\x8b" + bytes(1 << 22)


class Blob:
    """One blob, whatever is asked for; ``taken``: bytes that were read."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.taken = 0

    def open_blob(self, _descriptor: Descriptor, /) -> Blob:
        return self

    def read(self, size: int) -> bytes:
        piece = self._data[self.taken : self.taken + size]
        self.taken += len(piece)
        return piece

    def close(self) -> None:
        pass


@pytest.mark.parametrize(
    ("drain", "digest", "error"),
    [
        (1 << 18, digest_of(DAMAGED), CorruptData),
        (1 << 18, digest_of(b"other"), CorruptData),  # nobody reads as far as that
        (1 << 23, digest_of(DAMAGED), CorruptData),
        (1 << 23, digest_of(b"other"), IntegrityError),
    ],
)
def test_the_rest_of_a_damaged_layer_is_read_up_to_a_limit(
    monkeypatch: pytest.MonkeyPatch, drain: int, digest: str, error: type[ScanError]
) -> None:
    monkeypatch.setattr(layers, "_DRAIN", drain)
    image = image_of_blobs([(GZIP, DAMAGED, b"")])
    (layer,) = image.layers
    layer = dataclasses.replace(layer, descriptor=dataclasses.replace(layer.descriptor, digest=digest))
    blob = Blob(DAMAGED)

    def take(chunks: t.Iterator[bytes]) -> None:
        for _chunk in chunks:
            pass

    with pytest.raises(error):
        image = dataclasses.replace(image, source=blob)
        layers.stream_layer(image, layer, take, Budget(Limits()), name="layer 1 of 1", threaded=False)
    assert (blob.taken == len(DAMAGED)) is (drain > len(DAMAGED))
