# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""updateinfo.xml: taking it apart as a stream, and reading its advisories."""

from __future__ import annotations

import json
import resource
import time
import typing as t

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import (
    CorruptData,
    InputError,
    LimitExceeded,
    ScanError,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.documents.model import Document
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.documents.updateinfo import (
    NO_DATE,
    read_advisory,
    split,
)
from ansible_collections.imagescan.openshift.tests.support.advisories import advisory, updates
from ansible_collections.imagescan.openshift.tests.support.data import data_path
from hypothesis import given
from hypothesis import strategies as st

FIX = "openssl-libs-1:3.0.7-28.el9.x86_64"


def parts(data: bytes, step: int = 1 << 20) -> list[tuple[str, bytes]]:
    return list(split((data[start : start + step] for start in range(0, len(data), step)), "updateinfo.xml"))


def read(text: str, distribution: str = "rocky:9", **options: t.Any) -> Document:
    ((_identity, data),) = parts(updates(text))
    return read_advisory(data, "advisory", distribution=distribution, **options)


def test_a_real_file() -> None:
    path = data_path("aquasecurity+vuln-list-update/rocky/testdata/fixtures/happy/updateinfo.xml")
    found = {
        identity: read_advisory(data, identity, distribution="rocky:8") for identity, data in parts(path.read_bytes())
    }
    assert [(identity, one.category, one.revision) for identity, one in found.items()] == [
        ("RLBA-2021:2580", "updateinfo-other", "2021-06-29T00:00:00Z"),
        ("RLSA-2021:2575", "updateinfo", "2021-06-29T00:00:00Z"),
        ("RLSA-2021:3057", "updateinfo", "2021-08-10T00:00:00Z"),
        ("RLSA-2019:1972", "updateinfo", "2023-02-02T12:55:31Z"),
    ]
    ((cve, (row, source)),) = found["RLSA-2021:2575"].vulnerabilities
    assert source == row._replace(evr="1.8.3-3.el8_4", arch="src")
    assert (cve, row) == (
        "CVE-2021-3520",
        (
            *("lz4", "fixed", "", "0:1.8.3-3.el8_4", "moderate", "", "RLSA-2021:2575", "", "x86_64"),
            *("cpe:/o:rocky:rocky:8", "Rocky Linux 8"),
        ),
    )
    assert [cve for cve, _rows in found["RLSA-2021:3057"].vulnerabilities] == [
        "CVE-2021-22543",
        "CVE-2021-22555",
        "CVE-2021-3609",
    ]
    # The title says ruby:2.5, the collection ruby:2.6.
    ((_cve, rows),) = found["RLSA-2019:1972"].vulnerabilities
    assert {row.module for row in rows} == {"?"}


@given(step=st.integers(1, 200))
def test_it_does_not_matter_how_the_stream_is_cut(step: int) -> None:
    data = updates(advisory("RLSA-2026:1", FIX), advisory("RLSA-2026:2", FIX, title="été: ü &amp; &lt;"))
    assert parts(data, step) == parts(data)


@given(st.data())
def test_a_file_that_is_cut_is_never_a_smaller_one(data: st.DataObject) -> None:
    whole = updates(advisory("RLSA-2026:1", FIX), advisory("RLSA-2026:2", FIX))
    end = data.draw(st.integers(0, len(whole.rstrip()) - 1))
    with pytest.raises(CorruptData) as caught:
        parts(whole[:end])
    assert caught.value.code in ("feed-truncated", "feed-damaged")


def test_advisories_with_one_id() -> None:
    first, second = advisory("RLSA-2026:1", FIX), advisory("RLSA-2026:1", FIX.replace("x86_64", "aarch64"))
    assert [identity for identity, _data in parts(updates(first, second, first))] == ["RLSA-2026:1", "RLSA-2026:1#2"]


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        (b"", CorruptData, "empty"),
        (b"<html><body>Please log in</body></html>", CorruptData, "begins with <html>"),
        (b'<!DOCTYPE updates [<!ENTITY a "b">]><updates/>', CorruptData, "declares a document type"),
        (updates(advisory("../../etc/passwd", FIX)), CorruptData, "not the id of an advisory"),
        (updates("<update type='security'><package/></update>"), CorruptData, "a <package> in <update>"),
        (updates(advisory("RLSA-2026:1", FIX).replace("package name", "packag name")), CorruptData, "<packag>"),
        (
            updates(advisory("RLSA-2026:1").replace("</collection>", "<packag/></collection>")),
            CorruptData,
            "a <packag>",
        ),
        (updates("<pkglist><collection/></pkglist>"), CorruptData, "a <pkglist> in <updates>"),
        (updates("<updat></updat>"), CorruptData, "a <updat> in <updates>"),
        (updates("<x><issued/></x>"), CorruptData, "a <x> in <updates>"),
        (updates(advisory("RLSA-2026:1", FIX).replace("<collection", "<collectio")), ScanError, "updateinfo.xml"),
        (updates("<update>" + "<x>" * 40 + "</x>" * 40 + "</update>"), LimitExceeded, "nested deeper"),
        (updates(advisory("RLSA-2026:1", title="x" * (2 << 20))), LimitExceeded, "characters"),
        (updates(advisory("RLSA-2026:1", *[FIX] * 100_001)), LimitExceeded, "100000 packages"),
        (b"<updates " + b"a" * (6 << 20), ScanError, "updateinfo.xml"),
    ],
)
def test_hostile_files(data: bytes, error: type[ScanError], message: str) -> None:
    started = time.process_time()
    with pytest.raises(error, match=message):
        parts(data)
    assert time.process_time() - started < 30


def test_entities_that_multiply_are_refused_at_once() -> None:
    lines = [f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 12)]
    bomb = f'<!DOCTYPE u [<!ENTITY e0 "lol">{"".join(lines)}]><updates><update>&e11;</update></updates>'
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(CorruptData, match="document type"):
        parts(bomb.encode())
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000


@pytest.mark.parametrize(
    ("changes", "severity"),
    [
        ({"severity": "Critical"}, "critical"),
        ({"severity": "IMPORTANT"}, "important"),
        ({"severity": "medium"}, "moderate"),
        ({"severity": "None", "title": "Low: openssl update"}, "low"),
        ({"severity": "None", "title": "openssl-3.0.7-28.fc42"}, "critical"),
        ({"severity": "", "title": ""}, "critical"),
    ],
)
def test_severities(changes: dict[str, str], severity: str) -> None:
    assert {row.severity for row in read(advisory("RLSA-2026:1", FIX, **changes)).vulnerabilities[0][1]} == {severity}


@pytest.mark.parametrize(
    ("extra", "title", "cves"),
    [
        ("", "openssl", ["RLSA-2026:1"]),
        ("", "Fix CVE-2026-0007", ["CVE-2026-0007"]),
        ("<references><reference type='bugzilla' id='1' title='CVE-2026-0001 x'/></references>", "", ["CVE-2026-0001"]),
        ("<references><reference type='CVE' id='cve-2026-0002'/></references>", "", ["CVE-2026-0002"]),
        ("<summary>about CVE-2026-0003 and CVE-2026-0003</summary>", "", ["CVE-2026-0003"]),
    ],
)
def test_the_vulnerabilities_of_an_advisory(extra: str, title: str, cves: list[str]) -> None:
    document = read(advisory("RLSA-2026:1", FIX, cves=(), title=title, extra=extra))
    assert [cve for cve, _rows in document.vulnerabilities] == cves


@pytest.mark.parametrize("kind", ["bugfix", "enhancement", "newpackage"])
def test_other_advisories_are_left_out_unless_they_fix_a_vulnerability(kind: str) -> None:
    assert read(advisory("RLBA-2026:1", FIX, kind=kind, cves=())).category == "updateinfo-other"
    assert read(advisory("RLBA-2026:1", FIX, kind=kind)).category == "updateinfo"


def test_an_advisory_that_may_be_about_security_is_one() -> None:
    assert read(advisory("RLSA-2026:1", FIX, kind="", cves=())).category == "updateinfo"
    with pytest.raises(CorruptData, match="not a type of an advisory"):
        read(advisory("RLSA-2026:1", FIX, kind="securiti"))
    with pytest.raises(CorruptData, match="names no package"):
        read(advisory("RLSA-2026:1"))


@pytest.mark.parametrize(
    ("build", "module", "title", "found"),
    [
        ("8.0-1.module+el9.4.0+1+abcdef12", "mysql:8.0", "Important: mysql:8.0 security update", "mysql:8.0"),
        ("8.0-1.module+el9.4.0+1+abcdef12", "mysql:8.0", "mysql security update", "mysql:8.0"),
        ("8.0-1.module+el9.4.0+1+abcdef12", "", "Important: mysql:8.0 security update", "mysql:8.0"),
        ("8.0-1.module+el9.4.0+1+abcdef12", "", "Important: mysql security update", "?"),
        ("8.0-1.module+el9.4.0+1+abcdef12", "mysql:8.4", "Important: mysql:8.0 security update", "?"),
        ("8.0-1.module+el9.4.0+1+abcdef12", "a b:c", "Important: mysql:8.0 security update", "?"),
        # Listed with a module, and without its mark: it may be either.
        ("8.0-1.el9", "mysql:8.0", "Important: mysql:8.0 security update", "?"),
        ("8.0-1.el9", "", "Important: mysql security update", ""),
    ],
)
def test_the_module_of_a_build(build: str, module: str, title: str, found: str) -> None:
    ((_cve, (row,)),) = read(
        advisory("RLSA-2026:1", f"mysql-{build}.x86_64", module=module, title=title)
    ).vulnerabilities
    assert row.module == found


@pytest.mark.parametrize(
    ("identity", "release", "distribution", "refused"),
    [
        ("RLSA-2026:1", "Rocky Linux 9", "rocky:9", False),
        ("RLSA-2026:1", "Rocky Linux 8", "rocky:9", True),
        ("ALSA-2026:1", "", "rocky:9", True),
        ("ELSA-2026-1", "Oracle Linux 8", "ol:8", False),
        ("RHSA-2026:1", "", "ol:8", True),
        ("FEDORA-2026-d2b7d94014", "Fedora 42", "fedora:42", False),
        ("FEDORA-2026-d2b7d94014", "Fedora 41", "fedora:42", True),
        ("ALAS2023-2026-1", "", "amzn:2023", False),
        ("ALAS2023-2026-1", "", "fedora:42", True),
        ("MY-2026-1", "0", "rocky:9", False),
    ],
)
def test_an_advisory_of_another_distribution_is_refused(
    identity: str, release: str, distribution: str, refused: bool
) -> None:
    text = advisory(identity, FIX, release=release)
    if not refused:
        assert read(text, distribution).category == "updateinfo"
        return
    with pytest.raises(CorruptData) as caught:
        read(text, distribution)
    assert caught.value.code == "feed-distribution"


@pytest.mark.parametrize("text", ["", "rocky", "rocky:", "rocky:x", "rhel:9", "debian:12", "9"])
def test_the_distribution_has_to_be_one_of_ours(text: str) -> None:
    with pytest.raises(InputError, match="rocky"):
        read(advisory("RLSA-2026:1", FIX), text)


@pytest.mark.parametrize(
    ("date", "revision"),
    [
        ("2026-08-01 10:00:00", "2026-08-01T10:00:00Z"),
        ("2026-08-01", "2026-08-01T00:00:00Z"),
        ("2026-08-01T10:00:00Z", "2026-08-01T10:00:00Z"),
        ("2026-08-01 10:00", "2026-08-01T10:00:00Z"),
        ("", NO_DATE),
        ("soon", NO_DATE),
    ],
)
def test_dates(date: str, revision: str) -> None:
    assert read(advisory("RLSA-2026:1", FIX, date=date)).revision == revision


def test_a_retracted_advisory_says_nothing() -> None:
    document = read(advisory("RLSA-2026:1", FIX).replace("status='final'", "status='retracted'"))
    assert (document.deleted, document.vulnerabilities) == (True, ())


def test_only_what_is_asked_for() -> None:
    document = read(advisory("RLSA-2026:1", FIX, "curl-7.76.1-1.el9.x86_64"), names={"curl"})
    assert [row.name for row in document.vulnerabilities[0][1]] == ["curl"]


def test_documents_are_equal_for_equal_advisories() -> None:
    ((_id, one),) = parts(updates(advisory("RLSA-2026:1", FIX)))
    ((_id, two),) = parts(updates("\n  ", advisory("RLSA-2026:1", FIX), "\n"))
    assert one == two
    assert json.loads(one)["id"] == "RLSA-2026:1"


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("openssl-3.0.7-28.el9.src.rpm", [("openssl", "3.0.7-28.el9")]),
        ("https://example.com/openssl-3.0.7-28.el9.src.rpm", [("openssl", "3.0.7-28.el9")]),
        ("https://example.com/openssl-libs-3.0.7-28.el9.x86_64.rpm", []),
        ("", []),
    ],
)
def test_the_source_package_of_a_build(source: str, found: list[tuple[str, str]]) -> None:
    text = advisory("RLSA-2026:1", FIX).replace("<package ", f"<package src='{source}' ")
    ((_cve, rows),) = read(text).vulnerabilities
    assert [(row.name, row.evr) for row in rows if row.arch == "src"] == found
    assert read(text, names={"openssl"}).vulnerabilities[0][1] == tuple(row for row in rows if row.arch == "src")
