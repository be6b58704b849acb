# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading one image in a scanner pod: names that lead elsewhere, indexes, mounted images."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import ScanError
from ansible_collections.imagescan.openshift.plugins.module_utils._images.model import Descriptor, ImageIndex, Platform
from ansible_collections.imagescan.openshift.plugins.module_utils._scanner import image_reader
from ansible_collections.imagescan.openshift.plugins.module_utils._scanner.frames import Decoder, Encoder, Record
from ansible_collections.imagescan.openshift.plugins.module_utils._scanner.image_answers import ImageAnswer, ImageTask
from ansible_collections.imagescan.openshift.plugins.module_utils._scanner.image_reader import Reader, is_mount
from ansible_collections.imagescan.openshift.plugins.module_utils._scanner.pod_paths import PodPaths
from ansible_collections.imagescan.openshift.tests.support.layouts import image_of
from ansible_collections.imagescan.openshift.tests.unit.plugins.module_utils._scanner.test_shard_run import (
    KEY,
    UID,
    digest,
    plan_of,
)


def opened_as(monkeypatch: pytest.MonkeyPatch, opened: t.Any) -> Reader:
    """A reader whose registry holds this."""
    monkeypatch.setattr(image_reader, "open_target", lambda target, access: opened)
    return Reader(plan_of(1, platforms=("linux/amd64", "linux/ppc64le")), PodPaths("/nowhere"))


def body_of(answer: ImageAnswer) -> dict[str, t.Any]:
    """The record of an answer."""
    decoder = Decoder(bytes.fromhex(KEY), UID)
    lines: list[bytes] = []
    Encoder(bytes.fromhex(KEY), UID, lines.append).send_packed(answer.kind, answer.payload)
    return dict(t.cast(Record, [decoder.feed(line) for line in lines][-1]).body)


def test_a_name_that_leads_elsewhere_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    image = image_of([])
    found = body_of(opened_as(monkeypatch, image).read(ImageTask(0, "r.example/a:1", digest(1))))
    assert found["error"]["code"] == "image-changed"
    index = ImageIndex(digest(3), "r.example/a:1", (Descriptor("", digest(4), 1, None),))
    found = body_of(opened_as(monkeypatch, index).read(ImageTask(0, "r.example/a:1", digest(1))))
    assert found["error"]["code"] == "image-changed"
    found = body_of(opened_as(monkeypatch, index).read(ImageTask(0, "r.example/a:1", digest(3), digest(9))))
    assert found["error"]["code"] == "corrupt-data"


def test_the_images_of_an_index_that_count_are_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    platforms = [Platform("linux", "amd64"), Platform("linux", "s390x"), None]
    children = tuple(Descriptor("", digest(n), 1, platform) for n, platform in enumerate(platforms))
    answer = opened_as(monkeypatch, ImageIndex(digest(9), "", children)).read(ImageTask(0, "r.example/a:1", ""))
    assert (answer.state, answer.digest) == ("index", digest(9))
    assert answer.chosen == ((digest(0), "linux/amd64"), (digest(2), ""))
    assert body_of(answer) == {
        "number": 0,
        "digest": digest(9),
        "children": [[digest(0), "linux/amd64"], [digest(1), "linux/s390x"], [digest(2), ""]],
        "missing": ["linux/ppc64le"],
    }


def test_only_what_is_mounted_is_read(tmp_path: Path) -> None:
    (tmp_path / "images" / "0" / "etc").mkdir(parents=True)
    reader = Reader(plan_of(1, method="image_volume"), PodPaths(str(tmp_path)))
    for number in (0, 1):
        with pytest.raises(ScanError) as caught:
            reader.read(ImageTask(number, f"/images/{number}", digest(number)))
        assert caught.value.code == "volume-missing"
    assert is_mount("/")
    assert is_mount("/proc")
    assert not is_mount("/proc/self")
