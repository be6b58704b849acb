# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which image scanner pods run where nobody says."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import InputError
from ansible_collections.imagescan.openshift.plugins.module_utils._kubernetes.errors import ApiError
from ansible_collections.imagescan.openshift.plugins.module_utils._podscan.scanner_image import (
    OPENSHIFT_PYTHON,
    scanner_image,
)


class ImageStreams:
    """A cluster that answers a question for the image stream openshift/python with a status, or does not know it."""

    def __init__(self, status: int) -> None:
        self.status = status

    def has_group(self, group: str) -> bool:
        return self.status != 0 and group == "image.openshift.io"

    def get(self, path: str) -> dict[str, t.Any]:
        assert path.endswith("/namespaces/openshift/imagestreams/python")
        if self.status != 200:
            raise ApiError(f"{self.status} from the server", status=self.status)
        return {}


def test_openshift_brings_an_image_for_pods_and_others_need_one() -> None:
    for status in (200, 403):
        assert scanner_image(t.cast("t.Any", ImageStreams(status)), "") == OPENSHIFT_PYTHON
    for status in (0, 404):
        with pytest.raises(InputError, match="scanner_image is needed on this cluster"):
            scanner_image(t.cast("t.Any", ImageStreams(status)), "")
    with pytest.raises(ApiError, match="500"):
        scanner_image(t.cast("t.Any", ImageStreams(500)), "")
    assert scanner_image(t.cast("t.Any", ImageStreams(0)), "python:3.12") == "docker.io/library/python:3.12"
