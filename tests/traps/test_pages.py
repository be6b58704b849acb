# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""OpenSCAP's own pages: what was true of an older answer is not shown any more, and one bad ARF hides no other."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._ansible import report_files
from ansible_collections.imagescan.openshift.plugins.module_utils._compliance.oscap import Tools
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import CorruptData

FIRST, SECOND = ("sha256:" + letter * 64 for letter in "ab")


class Kept:
    """A store's ARFs."""

    def __init__(self) -> None:
        self.evaluations = self
        self.arfs: dict[str, bytes | None] = {FIRST: b"first", SECOND: b"second"}

    def arf(self, digest: str) -> bytes | None:
        """As the store gives it."""
        return self.arfs[digest]


@pytest.fixture
def pages(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> t.Callable[..., t.Any]:
    def render(arf: bytes, _oscap: str) -> bytes:
        if arf == b"damaged":
            raise CorruptData("the ARF is cut short")
        return arf

    monkeypatch.setattr(report_files, "find_tools", lambda: Tools("oscap", "", "", chroot=False, mounts=True))
    monkeypatch.setattr(report_files, "render_page", render)

    def make(store: Kept, *, check_mode: bool = False) -> t.Any:
        return report_files.write_pages(t.cast("t.Any", store), [FIRST, SECOND], tmp_path, check_mode=check_mode)

    return make


def shown(folder: Path) -> set[bytes]:
    """What somebody who opens the folder reads."""
    return {path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("now", [None, b"newer"])
def test_a_page_of_an_older_answer_goes(pages: t.Callable[..., t.Any], tmp_path: Path, now: bytes | None) -> None:
    store = Kept()
    assert pages(store).made
    assert not pages(store).made
    store.arfs[FIRST] = now
    assert pages(store, check_mode=True).made
    assert shown(tmp_path) == {b"first", b"second"}
    assert pages(store).made
    assert shown(tmp_path) == {b"second", *([now] if now else [])}
    assert not pages(store).made


def test_an_arf_that_is_damaged_hides_no_other_and_leaves_no_older_page(
    pages: t.Callable[..., t.Any], tmp_path: Path
) -> None:
    store = Kept()
    pages(store)
    store.arfs.update({FIRST: b"damaged", SECOND: b"newer"})
    found = pages(store)
    assert shown(tmp_path) == {b"newer"}
    assert list(found.paths) == [SECOND]
    (error,) = found.errors
    assert "cut short" in str(error)
    assert FIRST in str(error)
