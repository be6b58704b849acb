# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The second reader takes every name that a document may be about, or says that it cannot tell."""

from __future__ import annotations

import json
import re
import time
import typing as t

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.documents import unread
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.documents.unread import (
    EVERYTHING,
    UnreadScope,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.feeds.parsing import (
    CSAF,
    Refusal,
    outcome,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.formats.table import FORMATS
from ansible_collections.imagescan.openshift.tests.support.damage import every_document
from ansible_collections.imagescan.openshift.tests.support.vex import MAIN_9, document, fixed

_PART = re.compile(rb'"(?:branches|relationships|product_status)"\s*:')


def scope(data: bytes) -> UnreadScope:
    return FORMATS["csaf-vex"].scope(data, "2026/cve-2026-1.json")


def text(*ids: str, purl: str = "") -> bytes:
    """The three parts of a document, each with these ids."""
    value = {"branches": [{"purl": purl}, *ids], "relationships": list(ids), "product_status": {"fixed": list(ids)}}
    return json.dumps({"product_tree": value}).encode()


CURL = json.dumps(document("CVE-2026-1", fixed(MAIN_9, "libcurl", "0:7.76.1-29.el9_4"))).encode()


@pytest.mark.parametrize(
    ("identity", "names"),
    [
        ("openssl-libs-1:3.0.7-28.el9_4.x86_64", {"openssl-libs"}),
        ("BaseOS-9.4.0.Z.MAIN.EUS:openssl-libs-1:3.0.7-28.el9_4.x86_64", {"openssl-libs"}),
        ("red_hat_enterprise_linux_9:openssl", {"openssl"}),
        ("red_hat_enterprise_linux_9:openssl.src", {"openssl"}),
        ("Red Hat build of Quarkus:quarkus-core", {"quarkus-core"}),
        ("openssl-libs-3.0.7-28.el9_4.x86_64", {"openssl-libs"}),
        ("java-1.8.0-openjdk-headless-1:1.8.0.412.b08-2.el9.x86_64", {"java-1.8.0-openjdk-headless"}),
        ("389-ds-base-0:2.4.5-4.el9_4.x86_64", {"389-ds-base"}),
        ("8Base-JWS-5:tomcat", {"tomcat"}),
        ("perl-4:5.32.1-481.el9.x86_64::perl:5.32", {"perl"}),
        ("AppStream-8.6.0.Z:nodejs:16:8060020230306170312:ad008a3a:npm-1:8.19.3-1.16.19.1.1", {"nodejs", "npm"}),
        ("virt:rhel/libvirt-0:8.0.0-10.module+el8.7.0+1.x86_64", {"virt", "libvirt"}),
        ("python39-devel:3.9", {"python39-devel"}),
        ("ruby-2.5.9-111.module+el8.9.0+19193+435404ae.aarch64.rpm-ruby:2.5", {"ruby"}),
        (r"libstdc++-0:11.4.1-3.el9.x86_64", {"libstdc++"}),
    ],
)
def test_names_in_ids(identity: str, names: set[str]) -> None:
    assert names <= set(scope(text(identity)).names)
    escaped = text(identity).replace(b"a", rb"\u0061").replace(b"-", rb"\u002d")
    for key in (b"branches", b"relationships", b"product_status"):
        escaped = escaped.replace(key.replace(b"a", rb"\u0061"), key)
    assert names <= set(scope(escaped).names), "JSON may write any letter by its number"


@pytest.mark.parametrize(
    ("purl", "names"),
    [
        ("pkg:rpm/redhat/openssl-libs@3.0.7-28.el9_4?arch=x86_64&epoch=1", {"openssl-libs"}),
        ("pkg:rpm/redhat/libstdc%2B%2B@11.4.1-3.el9?arch=x86_64", {"libstdc++"}),
        ("pkg:rpm/redhat/npm@8.19.3?arch=x86_64&rpmmod=nodejs:16:8060020230306170312:ad008a3a", {"npm", "nodejs"}),
        ("pkg:rpmmod/redhat/python39@3.9:8040020240902080505:63cd9eba", {"python39"}),
        ("pkg:rpm/curl", {"curl"}),
    ],
)
def test_names_in_package_urls(purl: str, names: set[str]) -> None:
    (first, *_rest) = names
    found = set(scope(text(*(f"product:{name}" for name in names), purl=purl)).names)
    assert names <= found
    assert "rpm" not in found and "redhat" not in found, "that every image has"
    assert first in unread._names_of_purl(purl.partition("/")[2]) or len(names) == 2


@pytest.mark.parametrize("path", sorted(every_document()))
def test_every_part_of_a_real_document_has_all_names(path: str) -> None:
    """What the rule rests on: each name stands in three parts of the document, so that no two places have them all."""
    data = every_document()[path]
    found = outcome(path, data, (), CSAF)
    names = set()
    if not isinstance(found, Refusal):
        names = {name.partition(":")[0] for _cve, said in found.vulnerabilities for name, _groups in said}
    if names:
        assert names <= set(scope(data).names)
    parts = [part.end() for part in _PART.finditer(data)]
    keys = [part[0].split(b'"')[1] for part in _PART.finditer(data)]
    for key in (b"branches", b"relationships", b"product_status") if names else ():
        spans = [(start, end) for own, start, end in zip(keys, parts, [*parts[1:], len(data)]) if own == key]
        texts: set[str] = set().union(*(unread._texts(data[start:end]) or () for start, end in spans))
        assert names <= {name for one in texts for name in unread._names_of_id(one)}, key


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"<html><body>Please log in</body></html>",
        CURL[: CURL.index(b'"product_status"')],
        CURL[CURL.index(b'"relationships"') + 5 :],
        CURL.replace(b'"branches"', b'"brenches"'),
        CURL[: CURL.index(b'"relationships"')] + CURL[CURL.index(b'"product_status"') :],
        text("product:CSAFPID-0001", purl="pkg:rpm/redhat/curl@7.76.1-29.el9_4"),
    ],
    ids=["empty", "cut", "page", "no-status", "no-branches", "misspelt", "hole", "ids-without-names"],
)
def test_what_may_have_lost_a_name_concerns_everything(data: bytes) -> None:
    assert scope(data) == EVERYTHING


def test_what_has_all_its_parts_concerns_what_it_names() -> None:
    for data in (CURL, CURL[:-3], CURL.replace(b'"', b"", 1), b"\xff\xfe" + CURL, CURL.replace(b": ", b":")):
        assert "libcurl" in scope(data).names
        assert "bash" not in scope(data).names


def test_a_lost_quote_turns_nothing_inside_out() -> None:
    """What was outside of texts is inside then, and the other way round."""
    compact = CURL.replace(b'": ', b'":').replace(b", ", b",")
    for quote in (match.start() for match in re.finditer(b'"', compact)):
        changed = compact[:quote] + b" " + compact[quote + 1 :]
        names = scope(changed).names
        assert not names or "libcurl" in names


@pytest.mark.parametrize(
    "data",
    [
        b'"' * (64 << 20),
        b'"a' * (32 << 20),
        b'"' + b"a" * (64 << 20),
        b'"branches"' + b" " * (32 << 20) + b'"relationships"' + b"\n" * (31 << 20),
        text("a") + b'"%s' % (b"a" * 1024) * (63 << 10),
        text("a") + b"".join(b'"%d-1-1-1-1-1-1-1-1-1-1-1' % number for number in range(150_000)),
        text("a") + b'"\\u0061\\u' * 1_000_000,
    ],
    ids=["quotes", "pairs", "no-end", "blanks", "long", "many", "escapes"],
)
def test_hostile_documents_take_bounded_time(data: bytes) -> None:
    """In processor time: some 5 s at most for 64 MiB."""
    started = time.process_time()
    found = scope(data)
    assert time.process_time() - started < 60
    assert len(found.names) <= unread.NAMES_LIMIT


@pytest.mark.parametrize(
    ("path", "form", "distributions"),
    [
        ("all/ALSA-2026:1000.json", "osv", ("almalinux",)),
        ("RLSA-2026:1000.json", "osv", ("rocky",)),
        ("GHSA-aaaa.json", "osv", ()),
        ("base/RLSA-2026:1000", "updateinfo", ()),
    ],
)
def test_advisories_concern_their_distribution(path: str, form: str, distributions: t.Sequence[str]) -> None:
    """They name a package once, so that nothing tells which one is missing."""
    assert FORMATS[form].scope(b'{"affected": []}', path) == UnreadScope((), tuple(distributions))
