# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pages that oscap makes; here a shell script."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._compliance import pages
from ansible_collections.imagescan.openshift.plugins.module_utils._compliance.pages import render_page
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import ScanError

ARF = gzip.compress(b"<arf/>")


def oscap(folder: Path, script: str) -> str:
    """A program that does what a script says; $5 is the page, $6 the ARF."""
    path = folder / "oscap"
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="ascii")
    path.chmod(0o755)
    return str(path)


def test_the_page_is_that_of_oscap_and_reaches_nothing(tmp_path: Path) -> None:
    program = oscap(tmp_path, 'echo "<html><head><title>$1 $2 $3 $4</title></head>$(cat $6)" > $5')
    page = render_page(ARF, program).decode()
    assert page.endswith("<title>xccdf generate report --output</title></head><arf/>\n")
    head = page.partition("<title>")[0]
    assert "Content-Security-Policy" in head
    assert "default-src 'none'" in head


@pytest.mark.parametrize(
    ("arf", "script", "code", "message"),
    [
        (ARF, "echo 'no style sheet' >&2; exit 1", "oscap-report", "ended with 1: no style sheet"),
        (ARF, "exit 0", "oscap-report", "it said nothing"),
        (ARF, "echo text > $5", "oscap-report", "has no head"),
        (ARF, "sleep 9", "oscap-report", "timed out"),
        (ARF[:-1], "exit 0", "corrupt-data", "cut short"),
        (b"<arf/>", "exit 0", "corrupt-data", "cannot be unpacked"),
        (gzip.compress(b" " * 2000), "exit 0", "limit-exceeded", "more than 1000 bytes"),
    ],
)
def test_what_makes_no_page_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arf: bytes, script: str, code: str, message: str
) -> None:
    monkeypatch.setattr(pages, "ARF_LIMIT", 1000)
    monkeypatch.setattr(pages, "SECONDS", 1.0)
    with pytest.raises(ScanError, match=message) as raised:
        render_page(arf, oscap(tmp_path, script))
    assert raised.value.code == code


def test_a_program_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(ScanError, match="made no page"):
        render_page(ARF, str(tmp_path / "none"))
