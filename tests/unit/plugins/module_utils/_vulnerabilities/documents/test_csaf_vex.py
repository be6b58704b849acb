# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading CSAF-VEX documents: real ones of both shapes, odd ones, hostile ones."""

from __future__ import annotations

import collections
import json
import time
import typing as t

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import (
    CorruptData,
    LimitExceeded,
    ScanError,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.documents import (
    csaf_json,
    csaf_products,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.documents.advisories import (
    TEXT_LIMIT,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.documents.csaf_vex import (
    may_name,
    read_document,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.documents.model import (
    UNKNOWN_MODULE,
    Document,
    StatementRow,
)
from ansible_collections.imagescan.openshift.tests.support.data import data_path
from ansible_collections.imagescan.openshift.tests.support.vex import (
    MAIN_9,
    MAJOR_9,
    Says,
    affected,
    document,
    fixed,
    not_affected,
)
from hypothesis import given
from hypothesis import strategies as st

Json = dict[str, t.Any]
VMAAS = "RedHatInsights+vmaas/vmaas/reposcan/redhatcsaf/test"
CLAIRCORE = "quay+claircore/rhel/vex/testdata"
ACCEPTANCE = "quay+claircore/test/acceptance/testdata"
HUMMINGBIRD = "anchore+vunnel/tests/unit/providers/hummingbird/test-fixtures/input/advisories/2026/cve-2026-12345.json"


def read(value: Json) -> Document:
    return read_document(json.dumps(value).encode(), "a document")


def rows_of(value: Json) -> tuple[StatementRow, ...]:
    return read(value).vulnerabilities[0][1]


def real(name: str) -> Document:
    return read_document(data_path(name).read_bytes(), name)


def changed(edit: t.Callable[[Json], t.Any], *said: t.Any) -> Json:
    value = document("CVE-2026-1000", *(said or (affected(MAJOR_9, "tool"),)))
    edit(value)
    return value


# -- real documents --


@pytest.mark.parametrize(
    ("name", "statuses", "skipped"),
    [
        # Worked out from the files with another program: ids in product_status, less those that are not an RPM.
        (f"{CLAIRCORE}/cve-2023-38545.json", {"fixed": 324, "known_not_affected": 247}, {"no_relationship": 1}),
        (f"{CLAIRCORE}/cve-2023-4154.json", {"known_not_affected": 165}, {}),
        (
            f"{ACCEPTANCE}/cve-2024-0727-openssl.json",
            {"fixed": 88, "known_affected": 24, "known_not_affected": 23},
            {},
        ),
        (f"{ACCEPTANCE}/cve-2026-0968.json", {"known_affected": 12, "known_not_affected": 8}, {"not_rpm": 1}),
        (f"{ACCEPTANCE}/cve-2026-2297.json", {"known_affected": 183}, {"not_rpm": 4}),
        (f"{VMAAS}/cve-2026-0006.json", {}, {"no_relationship": 1}),
        (HUMMINGBIRD, {"fixed": 1, "known_not_affected": 1, "known_affected": 1}, {}),
    ],
)
def test_real_documents(name: str, statuses: dict[str, int], skipped: dict[str, int]) -> None:
    read_ = real(name)
    assert read_.category == "csaf_vex" and not read_.deleted
    assert len(read_.vulnerabilities) == 1
    assert collections.Counter(row.status for row in read_.vulnerabilities[0][1]) == statuses
    assert read_.skipped == skipped


def test_the_product_id_of_a_real_fix_becomes_a_row() -> None:
    rows = real(f"{ACCEPTANCE}/cve-2024-0727-openssl.json").vulnerabilities[0][1]
    assert (
        StatementRow(
            name="openssl-libs",
            status="fixed",
            module="",
            evr="1:3.0.7-27.el9",
            severity="low",
            fix_state="",
            advisory="RHSA-2024:2447",
            cvss="5.5 CVSS:3.1/AV:L/AC:L/PR:N/UI:R/S:U/C:N/I:N/A:H",
            arch="x86_64",
            cpe="cpe:/o:redhat:enterprise_linux:9::baseos",
            product="BaseOS-9.4.0.GA",
        )
        in rows
    )
    states = {(row.cpe.split(":")[4], row.name): row.fix_state for row in rows if row.status == "known_affected"}
    assert states["8", "openssl-libs"] == "fix_deferred"
    assert states["6", "openssl"] == "out_of_support"


def test_modules_by_qualifier() -> None:
    rows = real(f"{ACCEPTANCE}/cve-2026-2297.json").vulnerabilities[0][1]
    modules = collections.Counter(row.module for row in rows)
    assert set(modules) == {"", "python36:3.6", "python39-devel:3.9"}
    assert modules["python39-devel:3.9"] == 59


def test_names_without_purl_and_a_modular_build_without_its_module() -> None:
    """The file was cut for a test: its builds have no purl, and the module's own relationship is missing.

    The id of that relationship is there, and both of its parts are defined.
    """
    read_ = real(f"{VMAAS}/cve-2023-1017.json")
    rows = read_.vulnerabilities[0][1]
    assert read_.skipped == {"not_rpm": 1, "undefined": 1}, "the module itself, and a build that no status speaks of"
    assert {(row.name, row.arch, row.module, row.evr, row.status) for row in rows} == {
        ("SLOF", "noarch", "virt:rhel", "0:20210217-1.module+el8.6.0+14480+c0a3aa0f", "fixed"),
        ("SLOF", "src", "virt:rhel", "0:20210217-1.module+el8.6.0+14480+c0a3aa0f", "fixed"),
        ("libtpms", "", "virt:rhel", "", "known_affected"),
        ("libtpms", "", "virt:8.2", "", "known_affected"),
        ("libtpms", "", "virt:8.3", "", "known_affected"),
        ("libtpms", "", "virt:av", "", "known_affected"),
    }
    assert {row.severity for row in rows} == {"moderate"}, "nobody rated the products: the aggregate counts"


def test_a_modular_build_without_its_module_takes_that_of_another_build_of_the_same_module() -> None:
    """Old documents nest some builds in their module and list others directly below the product."""
    data = json.loads(data_path(f"{VMAAS}/cve-2023-1017.json").read_bytes())
    module = "virt:rhel:8060020230403063348:ad008a3a"
    data["product_tree"]["relationships"].append(
        relationship(f"AppStream-8.6.0.Z.EUS:{module}", module, "AppStream-8.6.0.Z.EUS")
    )
    read_ = read(data)
    evr = "0:20210217-1.module+el8.6.0+14480+c0a3aa0f"
    fixes = {(*row[:4], row.arch) for row in read_.vulnerabilities[0][1] if row.status == "fixed"}
    assert fixes == {("SLOF", "fixed", "virt:rhel", evr, "src"), ("SLOF", "fixed", "virt:rhel", evr, "noarch")}
    assert read_.skipped == {"not_rpm": 1, "undefined": 1}


def test_a_malformed_module_is_unknown_and_hides_nothing() -> None:
    read_ = real(f"{CLAIRCORE}/cve-2024-24786-bad-rpmmod.json")
    rows = {row.name: row for row in read_.vulnerabilities[0][1]}
    assert rows["firefox-flatpak"].module == UNKNOWN_MODULE
    assert rows["good-pkg"].module == "" and rows["cri-tools"].evr == "0:1.29.0-3.1.el9"
    assert read_.skipped == {"module_malformed": 1}


def test_the_new_shape() -> None:
    """Flat branches, source packages, severity said of all products at once."""
    rows = real(HUMMINGBIRD).vulnerabilities[0][1]
    assert [(row.name, row.arch, row.evr, row.status, row.severity, row.advisory) for row in rows] == [
        ("testpkg", "src", "0:1.2.3-1.hum1", "fixed", "moderate", "RHSA-2026:1234"),
        ("otherpkg", "", "", "known_not_affected", "moderate", ""),
        ("otherpkg", "", "", "known_affected", "moderate", ""),
    ]


# -- names and package URLs --


def with_purl(purl: object, identity: str = "the-id") -> Json:
    value = document("CVE-2026-1000", affected(MAJOR_9, "tool"))
    for branch in value["product_tree"]["branches"][0]["branches"]:
        if "purl" in branch["product"]["product_identification_helper"]:
            branch["product"] = {"product_id": identity, "product_identification_helper": {"purl": purl}}
    value["product_tree"]["relationships"][0]["product_reference"] = identity
    return value


@pytest.mark.parametrize(
    ("purl", "expected"),
    [
        ("pkg:rpm/redhat/curl@7.76.1-23.el9_2.4?arch=x86_64", ("curl", "x86_64", "", "7.76.1-23.el9_2.4")),
        ("pkg:rpm/redhat/openssl@3.0.7-27.el9?arch=x86_64&epoch=1", ("openssl", "x86_64", "", "1:3.0.7-27.el9")),
        ("pkg:rpm/redhat/openssl@3.0.7-27.el9?epoch=0", ("openssl", "?", "", "0:3.0.7-27.el9")),
        ("pkg:rpm/redhat/openssl@1:3.0.7-27.el9", ("openssl", "?", "", "1:3.0.7-27.el9")),
        ("pkg:rpm/redhat/openssl@1%3A3.0.7-27.el9", ("openssl", "?", "", "1:3.0.7-27.el9")),
        ("pkg:rpm/redhat/libstdc%2B%2B?arch=src", ("libstdc++", "src", "", "")),
        ("pkg:rpm/redhat/gcc-c++", ("gcc-c++", "", "", "")),
        (
            "pkg:rpm/redhat/a@1-1.module%2Bel8.6.0%2B1%2Baaaaaaaa?rpmmod=m:s",
            ("a", "?", "m:s", "1-1.module+el8.6.0+1+aaaaaaaa"),
        ),
        ("pkg:rpm/redhat/a?rpmmod=perl%3A5.32%3A80%3Aab", ("a", "", "perl:5.32", "")),
        ("pkg:rpm/redhat/a?rpmmod=satellite:el8", ("a", "", "satellite:el8", "")),
        ("pkg:rpm/redhat/a?RPMMOD=m:s&Arch=noarch", ("a", "noarch", "m:s", "")),
        ("pkg:rpm/redhat/a?rpmmod=", ("a", "", "", "")),
        ("pkg:rpm/redhat/a#sub/path", ("a", "", "", "")),
        ("pkg:rpm/a", ("a", "", "", "")),
        ("pkg:rpm/RedHat/a", ("a", "", "", "")),
        ("pkg:rpm/redhat/a@1.0", ("a", "", "", "")),  # no release: no build is named
        ("pkg:rpm/redhat/a@1.0-1.el9?epoch=x", ("a", "", "", "")),
        ("pkg:rpm/redhat/a@1.0-1.el9?epoch=²", ("a", "", "", "")),
        ("pkg:rpm/redhat/a?arch=x86/64", ("a", "", "", "")),
        ("", ("the-id", "", "", "")),
        ("rpm/redhat/a", ("the-id", "", "", "")),
        (None, ("the-id", "", "", "")),
        (7, ("the-id", "", "", "")),
    ],
)
def test_package_urls(purl: object, expected: tuple[str, ...]) -> None:
    (row,) = rows_of(with_purl(purl))
    assert (row.name, row.arch, row.module, row.evr) == expected


@pytest.mark.parametrize(
    ("purl", "reason"),
    [
        ("pkg:oci/bootc?repository_url=registry.example.com/bootc", "not_rpm"),
        ("pkg:generic/redhat/rhcos", "not_rpm"),
        ("pkg:maven/io.quarkus/quarkus-vertx-http@2", "not_rpm"),
        ("pkg:rpm/redhat/", "not_rpm"),
        ("pkg:rpm/redhat/a%20b", "not_rpm"),
        ("pkg:rpm/redhat/a%00b", "not_rpm"),
    ],
)
def test_what_is_no_rpm_is_counted(purl: str, reason: str) -> None:
    read_ = read(with_purl(purl, "registry/image"))
    assert read_.vulnerabilities == (("CVE-2026-1000", ()),)
    assert read_.skipped == {reason: 1}


@pytest.mark.parametrize(
    ("purl", "identity", "expected"),
    [
        ("pkg:rpm/redhat/cu\x7fl", "curl", ("curl", "", "", "")),
        ("pkg:rpm/red\x7fat/curl", "curl", ("curl", "", "", "")),
        ("pkg:rpm/re/cu\x7fl", "curl", ("curl", "", "", "")),
        (
            "pkg:rpm/re/curl@.76.1\x7f2.el9?arch=x86_64",
            "curl-0:7.76.1-2.el9.x86_64",
            ("curl", "x86_64", "", "0:7.76.1-2.el9"),
        ),
        ("pkg:r\x7fm/redhat/curl", "curl", ("curl", "", "", "")),
        ("pkg:rim/redhat/curl", "curl", ("curl", "", "", "")),
        (
            "pkg:rpm/redhat/curl@7.76\x7f1-2.el9?arch=x86_64",
            "curl-0:7.76.1-2.el9.x86_64",
            ("curl", "x86_64", "", "0:7.76.1-2.el9"),
        ),
        ("pkg:rpm/redhat/cu\x7fl", "curl-0:7.76.1-2.el9.x86_64::m:s", ("curl", "x86_64", "m:s", "0:7.76.1-2.el9")),
    ],
)
def test_of_a_damaged_package_url_the_id_tells_the_rest(purl: str, identity: str, expected: tuple[str, ...]) -> None:
    (row,) = rows_of(with_purl(purl, identity))
    assert (row.name, row.arch, row.module, row.evr) == expected


@pytest.mark.parametrize(
    ("purl", "identity", "expected"),
    [
        ("curl", "curl-1:7.76.1-2.el9.src", ("curl", "src", "", "1:7.76.1-2.el9")),
        ("curl@7.76.1-2.el9", "curl-1:7.76.1-2.el9.src", ("curl", "src", "", "1:7.76.1-2.el9")),
        ("curl@7.76.1-2.el9?arch=s/c", "curl-1:7.76.1-2.el9.src::m:s", ("curl", "src", "m:s", "1:7.76.1-2.el9")),
        ("curl@7.76.1-2.el9?arch=src&epoch=x", "curl-1:7.76.1-2.el9.src", ("curl", "src", "", "1:7.76.1-2.el9")),
        ("curl@7.76.1-2.el9?arch=src", "curl-0:7.76.1-2.el9.nosrc", ("curl", "src", "", "0:7.76.1-2.el9")),
        ("curl@7.76.1-2.el9", "curl-1:7.76.1-2.el9", ("curl", "?", "", "1:7.76.1-2.el9")),  # as in the newer feed
        ("curl@7.76.1-2.el9_3.2?arch=noarch", "curl-0:7.76.1-2.el9_3.2", ("curl", "noarch", "", "0:7.76.1-2.el9_3.2")),
        ("curl@7?", "curl-0:7.76.1-2.el9_3.2", ("curl", "?", "", "0:7.76.1-2.el9_3.2")),
        ("curl@2.4.21-4.EL?arch=athlon", "curl-0:2.4.21-4.EL.athlon", ("curl", "athlon", "", "0:2.4.21-4.EL")),
        ("curl@2.12-1.el6?arch=ppc64p7", "curl-0:2.12-1.el6.ppc64p7", ("curl", "ppc64p7", "", "0:2.12-1.el6")),
        ("curl", "curl.src", ("curl", "src", "", "")),
        ("curl", "curl::m:s", ("curl", "", "m:s", "")),
        ("curl?rpmmod=m:s:1:2f", "curl::m:s", ("curl", "", "m:s", "")),
        ("curl?rpmmod=m", "curl::m:s", ("curl", "", "m:s", "")),
        ("curl?rpmmod=m:s", "curl::m", ("curl", "", "m:s", "")),
        ("curl?rpmmod=m:s", "curl::m:t", ("curl", "", UNKNOWN_MODULE, "")),
        ("curl?rpmmod=m:s", "m:t/curl", ("curl", "", UNKNOWN_MODULE, "")),
        ("curl", "m:s/curl.src", ("curl", "src", "m:s", "")),
        ("curl?arch=src", "m:s/curl.src", ("curl", "src", "m:s", "")),
        ("curl@3.9-8.6?arch=src&epoch=0&rpmmod=m:s", "m:s/curl-0:3.9-8.6.src", ("curl", "src", "m:s", "0:3.9-8.6")),
        ("curl@3.9-8.6", "m:s/curl-2:3.9-8.6.src", ("curl", "src", "m:s", "2:3.9-8.6")),
    ],
)
def test_what_a_package_url_lacks_the_id_tells(purl: str, identity: str, expected: tuple[str, ...]) -> None:
    """Without its architecture, a fixed source package would be a binary one of the same name."""
    (row,) = rows_of(with_purl(f"pkg:rpm/redhat/{purl}", identity))
    assert (row.name, row.arch, row.module, row.evr) == expected


FILE = "curl-7.76.1-2.module+el8.9.0+19193+435404ae.noarch.rpm-curl-tools:rhel8"
FILE_PURL = (
    "curl@7.76.1-2.module%2Bel8.9.0%2B19193%2B435404ae?arch=noarch&rpmmod=curl-tools:rhel8:8090020230627084142:b46a"
)
FILE_EVR = "7.76.1-2.module+el8.9.0+19193+435404ae"


@pytest.mark.parametrize(
    ("purl", "identity", "expected"),
    [
        (FILE_PURL, FILE, ("curl", "noarch", "curl-tools:rhel8", FILE_EVR)),
        (f"{FILE_PURL}&epoch=2", FILE, ("curl", "noarch", "curl-tools:rhel8", f"2:{FILE_EVR}")),
        ("curl", FILE, ("curl", "noarch", "curl-tools:rhel8", FILE_EVR)),
        ("cu\x7frl", FILE, ("curl", "noarch", "curl-tools:rhel8", FILE_EVR)),
        # Ids that tell nothing: the package URL is the identity.
        (f"{FILE_PURL}&epoch=2", "CSAFPID-0001", ("curl", "noarch", "curl-tools:rhel8", f"2:{FILE_EVR}")),
        ("curl@1-2.el9?arch=x86_64&epoch=3", "a/b:c curl.x86_64.rpm", ("curl", "x86_64", "", "3:1-2.el9")),
        ("curl@1-2.el9?arch=x86_64", "curl-1-2.el9.x86_64", ("curl", "x86_64", "", "1-2.el9")),
        ("curl?arch=src", "rhel10/curl.src", ("curl", "src", "", "")),
    ],
)
def test_beside_an_id_of_another_form_the_package_url_tells(
    purl: str, identity: str, expected: tuple[str, ...]
) -> None:
    """As in RHSA-2023:3821 and RHSA-2023:7025, whose ids are names of files without an epoch."""
    (row,) = rows_of(with_purl(f"pkg:rpm/redhat/{purl}", identity))
    assert (row.name, row.arch, row.module, row.evr) == expected


@pytest.mark.parametrize("damage", [("curl@", "cur1@"), ("@7.76.1", "@7.76.0"), ("arch=noarch", "arch=x86_64")])
def test_the_name_of_a_file_and_its_package_url_say_the_same(damage: tuple[str, str]) -> None:
    with pytest.raises(CorruptData, match="name two packages"):
        read(with_purl(f"pkg:rpm/redhat/{FILE_PURL.replace(*damage)}", FILE))


def test_the_epoch_of_a_build_must_be_readable_where_its_id_does_not_tell_it() -> None:
    value = document("CVE-2026-1000", fixed(MAIN_9, "tool", "0:1-1.el9"), fixed(MAIN_9, "lib", "0:1-1.el9"))
    for branch in value["product_tree"]["branches"][0]["branches"]:
        product = branch["product"]
        if product["product_id"].startswith("tool"):
            product["product_identification_helper"]["purl"] = f"pkg:rpm/redhat/{FILE_PURL}&epoch=2x"
    text = json.dumps(value).replace("tool-0:1-1.el9.x86_64", FILE)
    with pytest.raises(CorruptData, match=r"the version of .* cannot be read"):
        read_document(text.encode(), "a document")


@pytest.mark.parametrize(
    "purl",
    [
        "cur1@7.76.1-2.el9?arch=x86_64&epoch=1",
        "cur1?arch=x86_64",
        "curl@7.76.0-2.el9?arch=x86_64&epoch=1",
        "curl@7.76.1-2.el9?arch=x86_64&epoch=0",
        "curl@0:7.76.1-2.el9?arch=x86_64",
        "curl@7.76.1-2.el9?arch=src",
        "curl@7.76.1-2.el9?arch=x86_6&epoch=1",
    ],
)
def test_a_build_and_its_package_url_say_the_same(purl: str) -> None:
    """As they do of all 1,786 builds of the real documents."""
    with pytest.raises(CorruptData, match="name two packages"):
        read(with_purl(f"pkg:rpm/redhat/{purl}", "curl-1:7.76.1-2.el9.x86_64"))


@pytest.mark.parametrize(
    ("purl", "identity"),
    [
        ("pkg:rpm/pedhat/curl", "the-id"),
        ("pkg:rpm/curl", "the-id"),
        ("pkg:rpm/redhat/cu/rl", "curl"),
        ("pkg:rpm/redhat/x/curl@7.76.1-2.el9?arch=x86_64&epoch=1", "curl-1:7.76.1-2.el9.x86_64"),
        ("pkg:rpm/pedhat/curl@7.76.1-2.el9?arch=x86_64&epoch=1", "curl-1:7.76.1-2.el9.x86_64"),
    ],
)
def test_the_product_says_whose_a_package_is_and_not_the_namespace(purl: str, identity: str) -> None:
    """Each of 11,630 package URLs of RPMs in real documents has the namespace redhat: another one is damaged."""
    assert [row.name for row in rows_of(with_purl(purl, identity))] == ["curl"]


def test_a_build_of_a_module_and_its_package_url_say_the_same() -> None:
    identity = "virt:rhel:8060020230403063348:ad008a3a"
    (row,) = rows_of(with_purl("pkg:rpmmod/redhat/virt@rhel:8060020230403063348:ad008a3a", identity))
    assert row.module == "virt:rhel"
    (row,) = rows_of(with_purl("pkg:rpmmod/redhat/virt", identity))
    assert row.module == "virt:rhel", "the id tells"
    with pytest.raises(CorruptData, match="name two modules"):
        read(with_purl("pkg:rpmmod/redhat/virt@rhed:8060020230403063348:ad008a3a", identity))


def test_a_fix_whose_version_cannot_be_read_is_no_fix_without_one() -> None:
    value = with_purl("pkg:rpm/redhat/curl@7?", "curl")
    statuses = value["vulnerabilities"][0]["product_status"]
    assert rows_of(value)[0].evr == ""
    statuses["fixed"] = statuses.pop("known_affected")
    with pytest.raises(CorruptData, match="version"):
        read(value)


@pytest.mark.parametrize(
    ("identity", "expected"),
    [
        ("curl", ("curl", "", "", "")),
        ("perl::perl:5.32", ("perl", "", "perl:5.32", "")),
        ("curl.src", ("curl", "src", "", "")),
        ("python3.11-libs", ("python3.11-libs", "", "", "")),
        ("openssl-1:3.0.7-27.el9.x86_64", ("openssl", "x86_64", "", "1:3.0.7-27.el9")),
        ("virt:rhel/libtpms", ("libtpms", "", "virt:rhel", "")),
        ("virt:rhel/libtpms.src", ("libtpms", "src", "virt:rhel", "")),
        ("virt:rhel:8060020230403063348:ad008a3a", ("virt:rhel", "", "virt:rhel", "")),  # the whole module
    ],
)
def test_names_of_components_without_purl(identity: str, expected: tuple[str, ...]) -> None:
    (row,) = rows_of(with_purl("", identity))
    assert (row.name, row.arch, row.module, row.evr) == expected


@pytest.mark.parametrize("identity", ["openshift4/ose-cli@sha256:abc_amd64", "rhelai3/bootc", "a b"])
def test_ids_that_are_no_package_names(identity: str) -> None:
    assert rows_of(with_purl("", identity)) == ()


def test_an_epoch_that_the_purl_leaves_out_is_that_of_the_id() -> None:
    """Taken as 0, every build with an epoch would be newer than the fix."""
    (row,) = rows_of(with_purl("pkg:rpm/redhat/openssl@3.0.7-27.el9?arch=src", "openssl-1:3.0.7-27.el9.src"))
    assert row.evr == "1:3.0.7-27.el9"
    (row,) = rows_of(with_purl("pkg:rpm/redhat/openssl@3.0.7-27.el9?arch=src", "openssl-3.0.7-27.el9.src"))
    assert row.evr == "3.0.7-27.el9", "nothing tells the epoch"


# -- relationships --


def relationship(whole: str, part: str, product: str) -> Json:
    return {
        "category": "default_component_of",
        "full_product_name": {"product_id": whole},
        "product_reference": part,
        "relates_to_product_reference": product,
    }


@pytest.mark.parametrize("depth", [1, 2, 4, 5, 6, 50])
def test_relationships_nest_up_to_a_limit(depth: int) -> None:
    value = document("CVE-2026-1000", affected(MAJOR_9, "tool"))
    links = value["product_tree"]["relationships"]
    product, part = links[0]["relates_to_product_reference"], links[0]["product_reference"]
    links.clear()
    if depth > 1:
        links.append(relationship("level0", "virt:rhel:8060020230403063348:ad008a3a", product))
    links.extend(relationship(f"level{n}", "something", f"level{n - 1}") for n in range(1, depth - 1))
    links.append(relationship("whole", part, f"level{max(depth - 2, 0)}" if depth > 1 else product))
    used = {link["product_reference"] for link in links}
    define(value, *({"something", "virt:rhel:8060020230403063348:ad008a3a"} & used))
    value["vulnerabilities"] = [{"cve": "CVE-2026-1000", "product_status": {"known_affected": ["whole"]}}]
    if depth > csaf_products.NESTING_LIMIT:
        with pytest.raises(CorruptData, match="nested too deep"):
            read(value)
    else:
        (row,) = rows_of(value)
        assert row.name == "tool" and row.module == ("virt:rhel" if depth > 1 else "")


def test_relationships_in_a_circle_end() -> None:
    value = document("CVE-2026-1000", affected(MAJOR_9, "tool"))
    value["product_tree"]["relationships"] = [relationship("a", "m", "b"), relationship("b", "m", "a")]
    define(value, "m")
    value["vulnerabilities"][0]["product_status"] = {"known_affected": ["a", "b"]}
    with pytest.raises(CorruptData, match="in a circle"):
        read(value)


def define(value: Json, *identities: str) -> None:
    """Add products without anything but an id."""
    value["product_tree"]["full_product_names"] = [{"product_id": identity} for identity in identities]


def test_an_id_without_relationship_is_known_where_both_of_its_parts_are() -> None:
    """Product ids have colons: only what the document defines is a part."""
    value = changed(lambda value: value["product_tree"].update(relationships=[]))
    assert rows_of(value) == rows_of(changed(lambda value: None))
    value["product_tree"]["branches"][0]["branches"].pop()
    with pytest.raises(CorruptData, match="does not define"):
        read(value)


def test_an_id_that_is_a_product_says_nothing_of_packages() -> None:
    value = document("CVE-2026-1000", affected(MAJOR_9, "tool"))
    product = value["product_tree"]["relationships"].pop()["relates_to_product_reference"]
    value["vulnerabilities"] = [{"cve": "CVE-2026-1000", "product_status": {"fixed": [product]}}]
    with pytest.raises(CorruptData, match="defines 'tool', of which nothing is said"):
        read(value)
    value["product_tree"]["branches"][0]["branches"].pop()
    assert read(value).skipped == {"no_relationship": 1}


def test_an_id_that_is_a_component_has_lost_its_product() -> None:
    value = document("CVE-2026-1000", affected(MAJOR_9, "tool"), affected(MAJOR_9, "other"))
    vulnerability = value["vulnerabilities"][0]
    vulnerability["product_status"]["known_affected"][0] = "tool"
    vulnerability["threats"][0]["product_ids"] = ["tool"]
    value["product_tree"]["relationships"].pop(0)
    with pytest.raises(CorruptData, match="'tool' and of no product that has it"):
        read(value)


def test_leftovers_are_all_that_is_left_where_nothing_else_is_said_of_packages() -> None:
    """A relationship of a component that is not defined is counted beside what is said, and hides nothing alone."""

    def left_over(*more: Says) -> Json:
        value = document("CVE-2026-1000", *more, affected(MAJOR_9, "lost"))
        vulnerability = value["vulnerabilities"][0]
        (whole,) = vulnerability["threats"].pop()["product_ids"]
        assert vulnerability["remediations"].pop()["product_ids"] == [whole]
        vulnerability["product_status"]["known_affected"].remove(whole)
        value["product_tree"]["branches"][0]["branches"].pop()
        return value

    def of_the_product(value: Json) -> Json:
        statuses = value["vulnerabilities"][0]["product_status"]
        statuses["known_affected"].append(value["product_tree"]["branches"][0]["branches"][0]["product"]["product_id"])
        return value

    whole_module = affected(MAJOR_9, "virt:rhel", arch="src")
    for said in (affected(MAJOR_9, "tool"), whole_module):
        value = left_over(said)
        if said is whole_module:
            helper = value["product_tree"]["branches"][0]["branches"][1]["product"]["product_identification_helper"]
            helper["purl"] = "pkg:rpmmod/redhat/virt@rhel"
        assert read(value).skipped == {"undefined": 1}
        names: tuple[str, ...] = ("another",)
        assert read_document(json.dumps(value).encode(), "it", names=names).skipped == {"undefined": 1}
        with pytest.raises(CorruptData, match="does not define"):
            read(of_the_product(value))
    value = left_over()
    with pytest.raises(CorruptData, match="is empty"):
        read(value)
    with pytest.raises(CorruptData, match="does not define"):
        read(of_the_product(value))


def test_what_the_tree_names_and_no_status_speaks_of_was_lost() -> None:
    value = document("CVE-2026-1000", affected(MAJOR_9, "tool"), affected(MAIN_9, "tool"))
    value["vulnerabilities"][0]["product_status"]["known_affected"].pop()
    with pytest.raises(CorruptData, match="no status for"):
        read(value)


@pytest.mark.parametrize("statuses", [{}, {"fixed": []}, {"recommended": ["x"]}])
def test_a_document_that_gives_no_status_is_refused(statuses: Json) -> None:
    value = changed(lambda value: value["vulnerabilities"][0].update(product_status=statuses))
    with pytest.raises(CorruptData, match="says nothing"):
        read(value)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize(
    ("one", "two", "worse"),
    [
        ("known_affected", "known_not_affected", "known_affected"),
        ("fixed", "known_not_affected", "fixed"),  # as in RHSA-2023:1441
        ("under_investigation", "known_not_affected", "under_investigation"),
        ("known_affected", "fixed", "known_affected"),
        ("known_affected", "under_investigation", "known_affected"),
        ("first_fixed", "fixed", "fixed"),
        ("fixed", "under_investigation", ""),
    ],
)
def test_of_two_statuses_of_one_product_the_worse_is_believed(one: str, two: str, worse: str, *, reverse: bool) -> None:
    value = document("CVE-2026-1000", fixed(MAIN_9, "tool", "0:1-2.el9"))
    ids = next(iter(value["vulnerabilities"][0]["product_status"].values()))
    value["vulnerabilities"][0]["product_status"] = dict.fromkeys((two, one) if reverse else (one, two), ids)
    if not worse:
        with pytest.raises(CorruptData, match="more than one status"):
            read(value)
    else:
        assert [row.status for row in rows_of(value)] == [worse]


@pytest.mark.parametrize(
    "said",
    [
        {"scores": [{"products": ["lost"], "cvss_v3": {"baseScore": 7.5}}]},
        {"remediations": [{"category": "workaround", "product_ids": ["lost"]}]},
        {"remediations": [{"category": "vendor_fix", "group_ids": ["some"]}]},
    ],
)
def test_what_is_said_of_a_product_without_a_status_is_what_is_left(said: Json) -> None:
    value = document("CVE-2026-1000", affected(MAJOR_9, "tool"))
    value["product_tree"]["product_groups"] = [{"group_id": "some", "product_ids": ["lost"]}]
    value["vulnerabilities"][0].update(said)
    with pytest.raises(CorruptData, match="no status for 'lost', of which it says more"):
        read(value)
    value["vulnerabilities"][0]["product_status"]["recommended"] = ["lost"]
    assert len(rows_of(value)) == 1


CVSS = {"baseScore": 7.5, "vectorString": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H"}


@pytest.mark.parametrize(
    ("category", "details", "expected"),
    [
        ("vendor_fix", "", ("fixed", "")),
        ("none_available", "Affected", ("known_affected", "affected")),
        ("none_available", "Fix deferred", ("known_affected", "fix_deferred")),
        ("no_fix_planned", "Will not fix", ("known_affected", "will_not_fix")),
        ("workaround", "", ("known_not_affected", "")),
        ("mitigation", "", ("known_not_affected", "")),
    ],
)
def test_what_has_a_fix_or_lacks_one_is_not_unaffected(category: str, details: str, expected: tuple[str, str]) -> None:
    """In none of 13,600 remediations of the real documents: a status was lost or changed."""
    value = document("CVE-2026-1000", fixed(MAIN_9, "tool", "0:1-2.el9"))
    ids = next(iter(value["vulnerabilities"][0]["product_status"].values()))
    value["vulnerabilities"][0]["product_status"] = {"known_not_affected": ids}
    value["vulnerabilities"][0]["remediations"] = [{"category": category, "details": details, "product_ids": ids}]
    (row,) = rows_of(value)
    assert (row.status, row.fix_state) == expected and row.evr == "0:1-2.el9"


PASSING: t.Mapping[str, t.Callable[[str], Json]] = {
    "score": lambda identity: {"scores": [{"products": [identity], "cvss_v3": CVSS}]},
    "workaround": lambda identity: {"remediations": [{"category": "workaround", "product_ids": [identity]}]},
    "mitigation": lambda identity: {"remediations": [{"category": "mitigation", "product_ids": [identity]}]},
}


@pytest.mark.parametrize("said", PASSING)
@pytest.mark.parametrize(
    ("identity", "is_rpm"),
    [
        ("Tools of Red Hat", False),  # as in CVE-2023-4853: the name of a family of products
        ("Tools", False),
        ("lost", True),
        ("8Base-RHBQ-2.13", False),  # a product as a whole
        ("8Base-RHBQ-2.13:lost:2.13.7.Final-redhat-00003", False),  # as in CVE-2023-0044, of Java
        ("8Base-RHBQ-2.13:lost", True),
        ("8Base-RHBQ-2.13:lost-0:1-2.el9.x86_64", True),
        ("8Base-RHBQ-2.13:m:s/lost.src", True),
        ("8Base-RHBQ-2.13:tool", True),  # made of parts that are defined
    ],
)
def test_a_score_or_a_workaround_of_what_is_no_rpm_needs_no_status(said: str, identity: str, *, is_rpm: bool) -> None:
    value = document("CVE-2026-1000", affected(MAJOR_9, "tool"))
    product = {"product_id": "8Base-RHBQ-2.13", "product_identification_helper": {"cpe": "cpe:/a:redhat:quarkus:2.13"}}
    for name in ("Tools of Red Hat", "Tools"):
        family = {"category": "product_family", "name": name, "branches": [{"product": product}]}
        value["product_tree"]["branches"][0]["branches"].append(family)
    value["vulnerabilities"][0].update(PASSING[said](identity))
    if is_rpm:
        with pytest.raises(CorruptData, match=f"no status for '{identity}', of which it says more"):
            read(value)
    else:
        assert len(rows_of(value)) == 1 and read(value).skipped == {"no_status": 1}
    for category in ("vendor_fix", "none_available", "no_fix_planned"):
        remediation = {"category": category, "product_ids": [identity]}
        value["vulnerabilities"][0]["remediations"] = [remediation]
        with pytest.raises(CorruptData, match="no status for"):
            read(value)


@pytest.mark.parametrize("lost", [{}, {"product": None}, {"branches": []}])
def test_a_branch_in_which_nothing_is_has_lost_it(lost: Json) -> None:
    value = document("CVE-2026-1000", affected(MAJOR_9, "tool"))
    value["product_tree"]["branches"][0]["branches"].append({"category": "product_version", "name": "curl", **lost})
    with pytest.raises(CorruptData, match="in which nothing is"):
        read(value)


def test_a_key_that_stands_twice_is_refused() -> None:
    text = json.dumps(document("CVE-2026-1000", affected(MAJOR_9, "tool")))
    with pytest.raises(CorruptData, match="twice"):
        read_document(text.replace('"vulnerabilities": ', '"vulnerabilities": [], "vulnerabilities": ').encode(), "x")


@pytest.mark.parametrize("what", ["products", "relationships"])
def test_an_id_that_is_defined_in_two_ways_is_refused(what: str) -> None:
    value = document("CVE-2026-1000", affected(MAJOR_9, "tool"), affected(MAIN_9, "tool"))
    tree = value["product_tree"]
    links, branches = tree["relationships"], tree["branches"][0]["branches"]
    branches.append(branches[0])
    links.append(links[0])
    assert len(rows_of(value)) == 2, "the same once more is not a contradiction"
    value["product_tree"]["full_product_names"] = [{"product_id": links[0]["full_product_name"]["product_id"]}]
    with pytest.raises(CorruptData, match="twice"):
        read(value)
    del value["product_tree"]["full_product_names"]
    if what == "products":
        tree["full_product_names"] = [{**branches[0]["product"], "product_identification_helper": {"cpe": MAIN_9[:-1]}}]
    else:
        links.append({**links[0], "relates_to_product_reference": links[1]["relates_to_product_reference"]})
    with pytest.raises(CorruptData, match="twice"):
        read(value)


@pytest.mark.parametrize(
    ("other", "same"),
    [
        ("rpmmod=m:s:8080020240911100614:93c2fc2f", True),  # as in CVE-2024-6923, 146 times
        ("rpmmod=m:s:8060020240916062113:6a631399", True),
        ("rpmmod=m%3As%3A8060020240916062113%3A6a631399", False),  # no vendor writes one in two ways
        ("rpmmod=m:s", True),
        ("rpmmod=m:t:8080020240911100614:93c2fc2f", False),
        ("rpmmod=n:s:8080020240911100614:93c2fc2f", False),
        ("rpmmod=m", False),
        ("", False),
        ("rpmmod=m:s:8080020240911100614:93c2fc2f&epoch=1", False),
        ("rpmmod=m:s:8080020240911100614:93c2fc2f#x", False),
    ],
)
def test_a_build_of_several_builds_of_its_module_is_one(other: str, *, same: bool) -> None:
    identity = "tool-0:1-2.module+el8.5.0+10613+59a13ec4.s390x::m:s"
    purl = "pkg:rpm/redhat/tool@1-2.module%2Bel8.5.0%2B10613%2B59a13ec4?arch=s390x"
    value = with_purl(f"{purl}&rpmmod=m:s:8040020240902080505:63cd9eba", identity)
    helper = {"purl": f"{purl}&{other}" if other else purl}
    product = {"product_id": identity, "product_identification_helper": helper}
    value["product_tree"]["full_product_names"] = [product]
    if same:
        (row,) = rows_of(value)
        assert (row.name, row.module) == ("tool", "m:s")
    else:
        with pytest.raises(CorruptData, match="twice"):
            read(value)


def with_cpe(cpe: object, component: str = "tool") -> dict[str, t.Any]:
    value = document("CVE-2026-1000", affected(MAJOR_9, component))
    for branch in value["product_tree"]["branches"][0]["branches"]:
        if "cpe" in branch["product"]["product_identification_helper"]:
            branch["product"]["product_identification_helper"]["cpe"] = cpe
    return value


@pytest.mark.parametrize(
    "cpe",
    [
        *(None, "", "cpe", 7, "cpe:/o:redhat:x y", "cpe:/" + "x" * 1000, "cpe:/o:redhat", " cpe:/o:r:p"),
        *("cpe:/a:redhat:openshift:4.*.1", "cpe:/a:redhat:openshift:4.%02.1", "cpe:/o:redhat:rhel_eus:9.*"),
    ],
)
def test_packages_of_a_product_without_a_readable_cpe_are_not_passed_over(cpe: object) -> None:
    with pytest.raises(CorruptData, match="the CPE of the product"):
        read(with_cpe(cpe))
    assert read(with_cpe(cpe, "registry/image")).skipped == {"not_rpm": 1}, "nothing is lost where it is not a package"


# -- severities --


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Critical", "critical"),
        ("IMPORTANT", "important"),
        (" moderate\n", "moderate"),
        ("LoW", "low"),
        ("High", "important"),
        ("Medium", "moderate"),
        ("None", "low"),  # nobody rated it: what the document says of itself
        ("Severe", "critical"),  # cannot be read: the worst, never little
        ("Krítico", "critical"),
        ("Low.", "critical"),
    ],
)
def test_severities_in_other_letters(text: str, expected: str) -> None:
    (row,) = rows_of(document("CVE-2026-1000", affected(MAJOR_9, "tool", severity=text), aggregate="Low"))
    assert row.severity == expected


def test_severity_falls_back_from_product_to_document_to_score_to_the_worst() -> None:
    value = document("CVE-2026-1000", affected(MAJOR_9, "tool", severity="Low"), aggregate="Moderate")
    vulnerability = value["vulnerabilities"][0]
    whole = vulnerability["product_status"]["known_affected"][0]
    assert rows_of(value)[0].severity == "low"
    vulnerability["threats"] = [{"category": "impact", "details": "Important"}]
    assert rows_of(value)[0].severity == "important", "said of the whole document"
    vulnerability["threats"] = [{"category": "exploit_status", "details": "Critical"}]
    assert rows_of(value)[0].severity == "moderate", "the aggregate"
    for score, expected in ((3.9, "low"), (4, "moderate"), (7.0, "important"), (9.8, "critical"), (-1, "critical")):
        vulnerability["scores"] = [{"cvss_v3": {"baseScore": score}, "products": [whole]}]
        assert rows_of(value)[0].severity == "critical", "scored and not rated: the rating was lost"
        for nothing in (None, {"text": "None"}, {}):
            value["document"]["aggregate_severity"] = nothing
            assert rows_of(value)[0].severity == expected
        value["document"]["aggregate_severity"] = {"text": "Moderate"}
    value["document"]["aggregate_severity"] = None
    vulnerability["scores"] = []
    assert rows_of(value)[0].severity == "critical"
    assert read(value).skipped == {"severity_missing": 1}


def test_no_product_takes_a_severity_that_is_not_said_of_it() -> None:
    said = (affected(MAJOR_9, "tool", severity="Important"), affected(MAJOR_9, "other", severity="Low"))
    value = document("CVE-2026-1000", *said, not_affected(MAJOR_9, "third"), aggregate="Low")
    threats = value["vulnerabilities"][0]["threats"]
    del threats[2]
    assert [row.severity for row in rows_of(value)] == ["important", "low", "low"], (
        "not affected: nothing depends on it"
    )
    threats[0]["product_ids"] = list(threats[1]["product_ids"])
    assert [row.severity for row in rows_of(value)] == ["critical", "important", "low"]
    assert read(value).skipped == {"severity_missing": 1}
    threats.append({"category": "impact", "details": "Low"})
    assert [row.severity for row in rows_of(value)] == ["low", "important", "low"], "said of all"


@pytest.mark.parametrize(
    ("field", "match"),
    [
        ({"category": "impacx"}, "'impacx' is not a category"),
        ({"category": None}, "'' is not a category"),
        ({"details": None}, "says no impact"),
        ({"details": " "}, "says no impact"),
        ({"product_ids": []}, "of no product"),
        ({"product_ids": ["x"]}, "does not define"),
        ({"product_ids": None, "group_ids": ["x"]}, "does not define"),
    ],
)
def test_a_rating_that_is_damaged_is_not_passed_over(field: Json, match: str) -> None:
    value = changed(lambda value: value["vulnerabilities"][0]["threats"][0].update(field))
    with pytest.raises(CorruptData, match=match):
        read(value)


def test_of_two_severities_of_one_product_the_worse_counts() -> None:
    value = document("CVE-2026-1000", affected(MAJOR_9, "tool", severity="Low"))
    threats = value["vulnerabilities"][0]["threats"]
    threats.append({**threats[0], "details": "Important"})
    threats.append({**threats[0], "details": "Moderate"})
    assert rows_of(value)[0].severity == "important"


# -- CVSS --

VECTOR = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"


def with_scores(*scores: t.Any) -> dict[str, t.Any]:
    value = document("CVE-2026-1000", affected(MAJOR_9, "tool"))
    (whole,) = value["vulnerabilities"][0]["product_status"]["known_affected"]
    value["vulnerabilities"][0]["scores"] = [{"products": [whole], **score} for score in scores]
    return value


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ([{"cvss_v3": {"baseScore": 9.8, "vectorString": VECTOR}}], f"9.8 {VECTOR}"),
        ([{"cvss_v3": {"baseScore": 10, "vectorString": VECTOR}}], f"10.0 {VECTOR}"),
        ([{"cvss_v3": {"baseScore": 0, "vectorString": VECTOR}}], f"0.0 {VECTOR}"),
        (
            [{"cvss_v2": {"baseScore": 4.3, "vectorString": "AV:N/AC:M/Au:N/C:N/I:N/A:P"}}],
            "4.3 AV:N/AC:M/Au:N/C:N/I:N/A:P",
        ),
        # Version 3 is preferred, wherever it stands and whatever it says.
        ([{"cvss_v2": {"baseScore": 9.0}}, {"cvss_v3": {"baseScore": 3.1}}], "3.1"),
        ([{"cvss_v2": {"baseScore": 9.0}, "cvss_v3": {"baseScore": 3.1}}], "3.1"),
        # Of two the worse.
        ([{"cvss_v3": {"baseScore": 3.1}}, {"cvss_v3": {"baseScore": 7.5}}, {"cvss_v3": {"baseScore": 5}}], "7.5"),
        ([], ""),
        ([{"cvss_v3": {"baseScore": ""}}], ""),
        ([{"cvss_v3": {"vectorString": VECTOR}}], ""),
    ],
)
def test_the_cvss_score_of_a_product(scores: list[t.Any], expected: str) -> None:
    assert [row.cvss for row in rows_of(with_scores(*scores))] == [expected]


@pytest.mark.parametrize(
    "vector",
    ["", "x", "<script>/<b>", f"{VECTOR}\n", f"{VECTOR} ", "A:B" + "/A:B" * 41, "A:B/" * 10_000_000, 7, None, [VECTOR]],
    ids=range(10),
)
def test_a_vector_that_is_none_is_left_out_and_counted(vector: t.Any) -> None:
    value = with_scores({"cvss_v3": {"baseScore": 7.5, "vectorString": vector}})
    assert [row.cvss for row in rows_of(value)] == ["7.5"]
    assert read(value).skipped == {"cvss_malformed": 1}


@pytest.mark.parametrize("score", [-1, 10.1, 1e300, float("nan"), float("inf")])
def test_a_score_that_is_none_is_left_out_and_hides_no_other(score: float) -> None:
    for scores in ([score, 2.0], [2.0, score]):
        value = with_scores(*({"cvss_v3": {"baseScore": one, "vectorString": VECTOR}} for one in scores))
        value["vulnerabilities"][0]["threats"] = []
        value["document"]["aggregate_severity"] = None
        assert [(row.cvss, row.severity) for row in rows_of(value)] == [(f"2.0 {VECTOR}", "critical")]


# -- statuses and remediations --


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("first_fixed", "fixed"),
        ("first_affected", "known_affected"),
        ("last_affected", "known_affected"),
        ("unknown", "under_investigation"),
    ],
)
def test_other_statuses_of_csaf(key: str, expected: str) -> None:
    value = document("CVE-2026-1000", affected(MAJOR_9, "tool"))
    statuses = value["vulnerabilities"][0]["product_status"]
    value["vulnerabilities"][0]["product_status"] = {key: statuses["known_affected"]}
    assert rows_of(value)[0].status == expected


def test_recommended_versions_are_no_statements() -> None:
    value = document("CVE-2026-1000", affected(MAJOR_9, "tool"))
    statuses = value["vulnerabilities"][0]["product_status"]
    statuses["recommended"] = statuses["known_affected"]
    assert len(rows_of(value)) == 1


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://access.redhat.com/errata/RHSA-2024:2447", "RHSA-2024:2447"),
        ("https://access.redhat.com/errata/RHBA-2024:11/", "RHBA-2024:11"),
        ("https://example.com/", ""),
        ("", ""),
        ("\x1b[31mRHSA", ""),
    ],
)
def test_advisories(url: str, expected: str) -> None:
    value = document("CVE-2026-1000", fixed(MAIN_9, "tool", "0:1-1.el9"))
    value["vulnerabilities"][0]["remediations"][0]["url"] = url
    assert rows_of(value)[0].advisory == expected


def test_product_groups() -> None:
    value = document("CVE-2026-1000", affected(MAJOR_9, "tool"))
    vulnerability = value["vulnerabilities"][0]
    ids = vulnerability["threats"][0].pop("product_ids")
    vulnerability["threats"][0].update(details="Critical", group_ids=["group"])
    value["product_tree"]["product_groups"] = [{"group_id": "group", "product_ids": ids}]
    assert rows_of(value)[0].severity == "critical"
    value["product_tree"]["product_groups"] = []
    with pytest.raises(CorruptData, match="'group', which"):
        read(value)


def test_documents_that_were_taken_back_say_nothing() -> None:
    read_ = read(changed(lambda value: value["document"]["tracking"].update(status="Deleted")))
    assert read_.deleted and not read_.vulnerabilities


def test_times_are_utc_in_whole_seconds() -> None:
    value = document("CVE-2026-1000", affected(MAJOR_9, "tool"), date="2026-03-01T01:30:00.5+02:00")
    assert read(value).revision == "2026-02-28T23:30:00Z"


# -- what is not a document, or a hostile one --


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b"{}",
        b'"text"',
        b"\xff\xfe{\x00}\x00",
        b'{"document": \x80}',
        b'{"document": NaN, "document": 1e999}',
        b'{"document":' + b"1" * 100_000 + b"}",
        b"[" * 100_000,
        b'{"document":' * 50_000,
        b'{"document":{"a":' + b"[" * 3000 + b"]" * 3000 + b"}}",
    ],
    ids=range(13),
)
def test_what_is_not_json_or_not_a_document_is_refused(data: bytes) -> None:
    with pytest.raises(CorruptData, match="a document"):
        read_document(data, "a document")


def drop(*path: str) -> t.Callable[[Json], None]:
    def edit(value: t.Any) -> None:
        for key in path[:-1]:
            value = value[int(key) if isinstance(value, list) else key]
        del value[path[-1]]

    return edit


def put(new: object, *path: str) -> t.Callable[[Json], None]:
    def edit(value: t.Any) -> None:
        for key in path[:-1]:
            value = value[int(key) if isinstance(value, list) else key]
        value[path[-1]] = new

    return edit


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (drop("document", "category"), "category"),
        (put({"unheard_of": ["x"]}, "vulnerabilities", "0", "product_status"), "not a status of CSAF"),
        (drop("product_tree", "relationships", "0", "product_reference"), "product_reference"),
        (drop("product_tree", "relationships", "0", "full_product_name"), "full_product_name"),
        (drop("product_tree", "branches", "0", "branches", "0", "product", "product_id"), "product_id"),
        (drop("document", "tracking"), "tracking"),
        (drop("document", "tracking", "current_release_date"), "current_release_date"),
        (put("yesterday", "document", "tracking", "current_release_date"), "expected a time"),
        (put("3.0", "document", "csaf_version"), "csaf_version"),
        (put(2, "document", "csaf_version"), "csaf_version"),
        (put([], "vulnerabilities"), "no vulnerabilities"),
        (drop("vulnerabilities"), "no vulnerabilities"),
        (put({}, "vulnerabilities"), "vulnerabilities"),
        (put("<script>", "vulnerabilities", "0", "cve"), "not the id"),
        (put([], "product_tree"), "product_tree"),
        (put({}, "product_tree", "branches"), "branches"),
        (put([[]], "product_tree", "branches"), "branches"),
        (put("x", "product_tree", "relationships"), "relationships"),
        (put([], "vulnerabilities", "0", "product_status"), "product_status"),
        (put({"fixed": "x"}, "vulnerabilities", "0", "product_status"), "product_status.fixed"),
        (put({"fixed": [1]}, "vulnerabilities", "0", "product_status"), "product_status.fixed"),
        (put([1], "vulnerabilities", "0", "threats"), "threats"),
        (put([{"category": 1}], "vulnerabilities", "0", "threats"), "category"),
        (put([{"product_ids": {}}], "vulnerabilities", "0", "remediations"), "product_ids"),
    ],
)
def test_fields_of_another_form_are_named(edit: t.Callable[[Json], None], message: str) -> None:
    with pytest.raises(CorruptData, match=message):
        read(changed(edit))


def test_branches_have_a_depth() -> None:
    inner: list[Json] = []
    for _level in range(csaf_products.DEPTH_LIMIT + 1):
        inner = [{"branches": inner}]
    with pytest.raises(LimitExceeded, match="nested"):
        read(changed(put(inner, "product_tree", "branches")))


def test_documents_have_a_size(monkeypatch: pytest.MonkeyPatch) -> None:
    data = json.dumps(document("CVE-2026-1000", affected(MAJOR_9, "tool"))).encode()
    monkeypatch.setattr(csaf_json, "DOCUMENT_LIMIT", len(data) - 1)
    with pytest.raises(LimitExceeded, match="bytes"):
        read_document(data, "x")


def test_a_bomb_of_values_is_refused_before_it_is_parsed() -> None:
    data = b'{"document":[' + b"[]," * csaf_json.VALUE_LIMIT + b"[]]}"
    start = time.process_time()
    with pytest.raises(LimitExceeded, match="values"):
        read_document(data, "x")
    assert time.process_time() - start < 10


def test_texts_that_are_kept_are_harmless() -> None:
    evil = "\x1b[2J<script>'\"\n\ud800"
    value = document("CVE-2026-1000", fixed(MAIN_9, "tool", "0:1-1.el9"))
    links = value["product_tree"]["relationships"]
    product = next(
        branch["product"]
        for branch in value["product_tree"]["branches"][0]["branches"]
        if "cpe" in branch["product"]["product_identification_helper"]
    )
    product["product_id"] = links[0]["relates_to_product_reference"] = evil + "x" * 10_000
    (row,) = rows_of(value)
    assert row.product.isprintable() and len(row.product) <= TEXT_LIMIT
    row.product.encode("utf-8")


@given(st.binary(max_size=300))
def test_bytes_end_in_a_document_or_an_error_of_ours(data: bytes) -> None:
    try:
        read_document(data, "x")
    except ScanError as error:
        assert str(error)


_JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=8) | st.sampled_from(["tool", "product", "csaf_vex"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(st.data())
def test_a_document_with_a_part_replaced_is_read_or_refused(data: st.DataObject) -> None:
    value: t.Any = document("CVE-2026-1000", affected(MAJOR_9, "tool"), fixed(MAIN_9, "tool", "1:1-1.el9"))
    node = value
    while True:
        keys = list(node) if isinstance(node, dict) else list(range(len(node)))
        key = data.draw(st.sampled_from(keys))
        if not isinstance(node[key], (dict, list)) or not node[key] or data.draw(st.booleans()):
            break
        node = node[key]
    node[key] = data.draw(_JSON)
    try:
        read(value)
    except ScanError as error:
        assert str(error)


# -- only some names --

NAMES = (
    "curl",
    "libstdc++",
    "tool",
    "python3.11-libs",
    "virt",
    "SLOF",
    "libtpms",
    "openssl",
    "nothing",
    "quarkus-vertx-http",
)


@given(st.sets(st.sampled_from(NAMES), min_size=1), st.sampled_from(NAMES), st.booleans(), st.booleans())
def test_a_document_that_names_a_package_is_never_passed_over(
    names: set[str], name: str, indented: bool, ascii_only: bool
) -> None:
    value = document("CVE-2026-1000", not_affected(MAJOR_9, name), affected(MAIN_9, "é" * 3))
    data = json.dumps(value, indent=1 if indented else None, ensure_ascii=ascii_only).encode()
    assert may_name(data, names) or name not in names
    if name in names:
        assert [row.name for row in read_document(data, "x", names=names).vulnerabilities[0][1]] == [name]


@pytest.mark.parametrize("name", NAMES)
def test_real_documents_are_never_passed_over(name: str) -> None:
    """What the quick look rules out has no statement about the package; what it finds is not everything."""
    ruled_out = 0
    for path in sorted(data_path().rglob("cve-*.json")):
        data = path.read_bytes()
        rows = [row for _cve, rows in read_document(data, path.name).vulnerabilities for row in rows]
        looked = may_name(data, {name})
        ruled_out += not looked
        assert looked or name not in {row.name for row in rows}
    assert ruled_out, "the quick look would be of no use"


@pytest.mark.parametrize(
    "edit",
    [
        lambda data: data.replace(b"tool", b"t\\u006fol"),
        lambda data: data.replace(b"pkg:rpm/redhat/", b"pkg:rpm\\/redhat\\/"),
        lambda data: data[: len(data) // 2],
        lambda data: data[: data.rindex(b"}")],
        lambda data: data[: data.rindex(b"}", 0, -1)],
        lambda data: data.replace(b"tool", b"%74ool"),
    ],
)
def test_what_the_quick_look_cannot_read_is_read_whole(edit: t.Callable[[bytes], bytes]) -> None:
    data = json.dumps(document("CVE-2026-1000", affected(MAJOR_9, "tool"))).encode()
    assert may_name(edit(data), {"tool"})
