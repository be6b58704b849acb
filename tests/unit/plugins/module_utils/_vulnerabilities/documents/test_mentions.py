# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a refused document may be about: never less than what it would have said."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._errors import ScanError
from ansible_collections.imagescan.openshift.plugins.module_utils._images.access import Access
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.documents import mentions
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.documents.csaf_vex import (
    read_document,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.documents.mentions import mentioned
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.feeds.build import build_index
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.index.reader import FeedIndex
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.matching.matcher import (
    match_inventory,
)
from ansible_collections.imagescan.openshift.tests.support.documents import real_documents
from ansible_collections.imagescan.openshift.tests.support.vex import (
    MAIN_9,
    MAJOR_9,
    NOW,
    affected,
    document,
    fixed,
    inventory,
    rpm,
    write_feed,
)


def test_every_name_that_a_real_document_speaks_of_is_mentioned() -> None:
    documents = dict(real_documents())
    assert documents
    for path, data in documents.items():
        try:
            found = read_document(data, path)
        except ScanError:
            continue
        names = {row.name for _cve, rows in found.vulnerabilities for row in rows}
        mentioned_names = mentioned(data)
        assert mentioned_names is None or names <= mentioned_names, (path, names - (mentioned_names or set()))


def whole(*texts: str) -> bytes:
    """A document as far as it takes: some ids in its product tree, and one in its statuses."""
    return json.dumps(
        {"product_tree": {"branches": list(texts)}, "vulnerabilities": [{"product_status": {"fixed": ["a:b"]}}]}
    ).encode()


@pytest.mark.parametrize(
    "text, name",
    [
        ("AppStream-9.4.0:curl-0:7.76.1-23.el9_2.4.x86_64", "curl"),
        ("pkg:rpm/redhat/libstdc%2B%2B@11.4.1-3.el9?arch=x86_64", "libstdc++"),
        ("red_hat_enterprise_linux_9:java-17-openjdk", "java-17-openjdk"),
        ("rhel-8.10.z:openssl-1:1.1.1k-14.el8_6.src", "openssl"),
        ("AppStream-8.9:nodejs:18:8090020240101:rhel8:npm-1:9.5.1-1.18.20.module+el8+1+aa.x86_64", "npm"),
        ("AppStream-8.9:nodejs:18:8090020240101:a75119d5", "nodejs:18"),
        ("pkg:rpmmod/redhat/nodejs@18:8090020240101:a75119d5", "nodejs:18"),
        ("bash.src", "bash"),
        ("bash-5.1.8-9.el9.x86_64", "bash"),
        ("virt:rhel/qemu-kvm", "qemu-kvm"),
    ],
)
def test_names_in_ids(text: str, name: str) -> None:
    found = mentioned(whole(text))
    assert found is not None
    assert name in found


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"{}",
        b"[]",
        b"5",
        b"\xff",
        b'{"a": 5}',
        b"[" * 100_000,
        b'{"a":' * 60 + b'"bash"' + b"}" * 60,
        whole(),
        whole("two words"),
        whole("bash").replace(b"a:b", b""),
        whole("bash").replace(b"product_status", b"product_state"),
    ],
)
def test_a_document_that_lost_what_it_tells_may_be_about_anything(data: bytes) -> None:
    assert mentioned(data) is None


def test_a_document_with_more_names_than_documents_have_may_be_about_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mentions, "LIMIT", 100)
    assert mentioned(whole(*(f"a{number}" for number in range(50)))) is not None
    assert mentioned(whole(*(f"a{number}" for number in range(101)))) is None


def test_a_key_that_stands_twice_is_read_twice() -> None:
    found = mentioned(whole("bash").replace(b'"branches"', b'"branches": ["curl"], "branches"'))
    assert found is not None and {"bash", "curl"} <= found


def test_only_images_that_a_refused_document_may_be_about_wait_for_it(tmp_path: Path) -> None:
    """An id that nothing defines makes the document about tool unreadable, and bash has nothing to do with it."""
    odd = document("CVE-2026-1000", affected(MAJOR_9, "tool"))
    odd["vulnerabilities"][0]["product_status"]["known_affected"].append("nowhere:tool-libs")
    feed = write_feed(tmp_path / "feed", odd, document("CVE-2026-1001", fixed(MAIN_9, "bash", "0:5.1.8-9.el9")))
    index = tmp_path / "index"
    assert [one.path for one in build_index(str(feed), str(index), now=NOW, access=Access()).rejected]
    counts: dict[str, t.Any] = {}
    with FeedIndex.open(str(index)) as opened:
        for package in ("bash-5.1.8-9.el9.x86_64", "tool-1-1.el9.x86_64"):
            counts[package.partition("-")[0]] = match_inventory(inventory(rpm(package)), opened).rejected
        assert opened.info.rejected == 1
    assert counts == {"bash": 0, "tool": 1}
