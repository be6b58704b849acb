# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Traps in how vulnerability data is kept up to date: mirrors, caches and lists that are behind, each with a twin."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import typing as t
from pathlib import Path

import pytest
from ansible_collections.imagescan.openshift.examples.fleet import vex
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import ScanError
from ansible_collections.imagescan.openshift.plugins.module_utils._images.access import Access
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.feeds.build import build_index
from ansible_collections.imagescan.openshift.tests.support.servers import Answer, Request, running_server
from ansible_collections.imagescan.openshift.tests.traps.situation import (
    HOUR,
    OTHERS,
    VULNERABLE,
    Situation,
    document,
    write_feed,
)
from ansible_collections.imagescan.openshift.tests.traps.test_history import Life, check, trap_and_twin

HARMLESS = document(vex.Says(vex.RHEL9, "known_not_affected", ("openssl-libs",)), released="2026-02-20T00:00:00Z")
HOLE = document(released="2026-02-20T12:00:00Z")
PATH = "2026/cve-2026-900101.json"


@pytest.fixture
def life(tmp_path: Path) -> Life:
    """An image that a statement which was made on 2026-02-20 at noon makes vulnerable."""
    life = Life(tmp_path)
    life.push(Situation(packages=VULNERABLE))
    life.scan()
    return life


class Mirror:
    """Serves a feed: an archive from before the statement, and what ``files`` has beside it."""

    def __init__(self, life: Life) -> None:
        self.life = life
        feed, self.map = write_feed(Situation(documents=(HARMLESS, OTHERS)), life.folder)
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w") as archive:
            archive.add(feed, arcname=".")
        self.modified = "Fri, 20 Feb 2026 01:00:00 GMT"
        self.files = {"archive_latest.txt": b"csaf_vex_2026-02-20.tar\n", "csaf_vex_2026-02-20.tar": out.getvalue()}
        self.index = life.folder / "index"

    def publish(self, item: t.Any, moment: str) -> None:
        self.files[PATH] = json.dumps(item).encode()
        self.files["changes.csv"] = f'"{PATH}","{moment}"\n'.encode()

    def answer(self, request: Request) -> Answer:
        data = self.files.get(request.target.lstrip("/"))
        if data is None:
            return Answer(404)
        headers = {"ETag": f'"{hashlib.sha256(data).hexdigest()}"', "Last-Modified": self.modified}
        if request.headers.get("if-none-match") == headers["ETag"]:
            return Answer(304, headers=headers)
        return Answer(200, b"" if request.method == "HEAD" else data, headers, length=len(data))

    def sync(self, age: float = 0) -> None:
        """Bring the index up to date, so many hours ago."""
        with running_server(self.answer) as server:
            build_index(
                f"http://{server.host}",
                str(self.index),
                repository_map=self.map,
                access=Access(retries=0),
                now=self.life.now - age * HOUR,
            )


@trap_and_twin
def test_a_mirror_copied_the_archive_a_day_later(life: Life, trap: bool) -> None:
    """Fools whoever believes the time of the copy: what changed before it is in neither archive nor "newer" changes."""
    mirror = Mirror(life)
    mirror.modified = "Sat, 21 Feb 2026 20:00:00 GMT"
    mirror.publish(HOLE if trap else HARMLESS, "2026-02-20T12:00:00+00:00")
    mirror.sync()
    check(life.judge(mirror.index), trap, "failed", "vulnerability")


@trap_and_twin
def test_a_list_that_tells_of_a_document_days_later(life: Life, trap: bool) -> None:
    """Fools whoever looks for rows that are newer than the newest one seen: this one appears among the old ones."""
    mirror = Mirror(life)
    mirror.files["changes.csv"] = b'"2026/cve-2026-900150.json","2026-02-24T00:00:00+00:00"\n'
    mirror.files["2026/cve-2026-900150.json"] = json.dumps(
        document(vex.Says(vex.RHEL9, "known_not_affected", ("zlib",)), cve="CVE-2026-900150")
    ).encode()
    mirror.sync(age=48)
    assert life.judge(mirror.index).verdict == "passed"
    old = mirror.files["changes.csv"]
    mirror.publish(HOLE if trap else HARMLESS, "2026-02-20T12:00:00+00:00")
    mirror.files["changes.csv"] = old + mirror.files["changes.csv"]
    mirror.sync()
    check(life.judge(mirror.index), trap, "failed", "vulnerability")


@trap_and_twin
def test_a_cache_that_was_behind_the_list(life: Life, trap: bool) -> None:
    """Fools whoever takes a document as read that its server still gave as it was before: no row tells of it again."""
    mirror = Mirror(life)
    moment = (life.now - 49 * HOUR).isoformat()
    mirror.publish(HARMLESS, moment)
    mirror.sync(age=48)
    assert life.judge(mirror.index).verdict == "passed"
    mirror.publish(HOLE if trap else HARMLESS, moment)
    mirror.sync()
    check(life.judge(mirror.index), trap, "failed", "vulnerability")


@trap_and_twin
def test_lists_that_go_back(life: Life, trap: bool) -> None:
    """Fools whoever finds nothing new in old lists, and calls his data checked: a stale mirror keeps them fresh."""
    mirror = Mirror(life)
    mirror.publish(HARMLESS, "2026-02-22T12:00:00+00:00")
    mirror.sync(age=10 * 24)
    if trap:
        mirror.publish(HARMLESS, "2026-02-21T12:00:00+00:00")
        with pytest.raises(ScanError) as caught:
            mirror.sync()
        assert caught.value.code == "feed-older"
    else:
        mirror.sync()
    check(life.judge(mirror.index), trap, "inconclusive", "feed-stale")


@trap_and_twin
def test_a_document_that_is_in_the_list_alone(life: Life, trap: bool) -> None:
    """Fools whoever takes the archive for whole: it was made without a document that the list has had for long."""
    mirror = Mirror(life)
    other = document(cve="CVE-2026-900170", released="2026-01-20T12:00:00Z") if trap else HARMLESS
    path = f"2026/{other['document']['tracking']['id'].lower()}.json"
    mirror.files["changes.csv"] = f'"{path}","2026-01-20T12:00:00+00:00"\n'.encode()
    mirror.files[path] = json.dumps(other).encode()
    mirror.sync()
    check(life.judge(mirror.index), trap, "failed", "vulnerability")
