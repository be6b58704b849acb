# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documents of Red Hat's ``vex-feed``: which have its shape, and what their ids and package URLs stand for."""

from __future__ import annotations

import json
import typing as t

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import CorruptData
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.documents.csaf_vex import (
    may_name,
    read_document,
)
from ansible_collections.imagescan.openshift.tests.support.vex import MAIN_8, MAIN_9, Json, Says, document

FLAT, LEGACY = "CSAF Generator", "Red Hat SDEngine"
PYTHON = "pkg:rpm/redhat/python39@3.9-8100020240826142629.d47b87a4?epoch=0"


def flat(components: t.Mapping[str, str], generator: str = FLAT, status: str = "known_affected") -> Json:
    """A document about components (id: package URL, empty for none) of one product."""
    item = document("CVE-2026-1000", Says(status, MAIN_8, "bash", arch="src"))
    item["document"]["tracking"]["generator"] = {"engine": {"name": generator, "version": "2.0.1"}}
    branches = item["product_tree"]["branches"][0]["branches"]
    vulnerability = item["vulnerabilities"][0]
    identities = next(iter(vulnerability["product_status"].values()))
    product = item["product_tree"]["relationships"][0]["relates_to_product_reference"]
    for identity, purl in components.items():
        helper = {"product_identification_helper": {"purl": purl}} if purl else {}
        branches.append({"category": "product_version", "name": "", "product": {"product_id": identity, **helper}})
        whole = f"{product}:{identity}"
        identities.append(whole)
        item["product_tree"]["relationships"].append(
            {
                "category": "default_component_of",
                "full_product_name": {"product_id": whole},
                "product_reference": identity,
                "relates_to_product_reference": product,
            }
        )
        vulnerability["threats"].append({"category": "impact", "details": "Low", "product_ids": [whole]})
    return item


def rows(item: Json) -> list[tuple[str, ...]]:
    """Name, architecture, module and build of what a document says, but for bash."""
    ((_cve, found),) = read_document(json.dumps(item).encode(), "doc").vulnerabilities
    return [(row.name, row.arch, row.module, row.evr) for row in found if row.name != "bash"]


@pytest.mark.parametrize(
    ("identity", "purl", "expected"),
    [
        # As in real documents of 2026.
        (
            "libtiff-0:4.4.0-12.el9",
            "pkg:rpm/redhat/libtiff@4.4.0-12.el9?epoch=0",
            ("libtiff", "?", "", "0:4.4.0-12.el9"),
        ),
        (
            "libtiff-0:4.4.0-12.el9.src",
            "pkg:rpm/redhat/libtiff@4.4.0-12.el9?arch=src&epoch=0",
            ("libtiff", "src", "", "0:4.4.0-12.el9"),
        ),
        ("libtiff.src", "pkg:rpm/redhat/libtiff?arch=src", ("libtiff", "src", "", "")),
        ("httpd24-curl-debuginfo", "pkg:rpm/redhat/httpd24-curl-debuginfo", ("httpd24-curl-debuginfo", "", "", "")),
        (
            "python39-0:3.9-8100020240826142629.d47b87a4",
            PYTHON,
            ("python39:3.9", "", "python39:3.9", "python39:3.9:8100020240826142629:d47b87a4"),
        ),
        (
            "python39:3.9/python39-0:3.9-8040020240902080505.63cd9eba.src",
            "pkg:rpm/redhat/python39@3.9-8040020240902080505.63cd9eba?arch=src&epoch=0&rpmmod=python39:3.9",
            ("python39:3.9", "", "python39:3.9", "python39:3.9:8040020240902080505:63cd9eba"),
        ),
        (
            "gimp:flatpak/python2.src",
            "pkg:rpm/redhat/python2?arch=src&rpmmod=gimp:flatpak",
            ("python2", "src", "gimp:flatpak", ""),
        ),
        (
            "pki-core:10.6/pki-core/idm-pki-acme",
            "pkg:rpm/redhat/idm-pki-acme?upstream=pki-core:10.6/pki-core",
            ("idm-pki-acme", "", "pki-core:10.6", ""),
        ),
        (
            "pki-core:10.6/pki-core.src",
            "pkg:rpm/redhat/pki-core@10.15.1-1.module%2Bel8.10.0%2B21991%2B2e8cd757?arch=src&rpmmod=pki-core:10.6",
            ("pki-core", "src", "pki-core:10.6", "10.15.1-1.module+el8.10.0+21991+2e8cd757"),
        ),
        (
            "puppetserver/puppetserver",
            "pkg:rpm/redhat/puppetserver?upstream=puppetserver",
            ("puppetserver", "", "", ""),
        ),
        (
            "el8/candlepin/candlepin-selinux",
            "pkg:rpm/redhat/candlepin-selinux?upstream=el8/candlepin",
            ("candlepin-selinux", "", "?", ""),
        ),
        (
            "el8/candlepin.src",
            "pkg:rpm/redhat/candlepin@4.4.25-1.el8sat?arch=src&rpmmod=el8",
            ("candlepin", "src", "?", "4.4.25-1.el8sat"),
        ),
        # Made up: streams and contexts of other forms, and a component beside its module.
        (
            "nodejs-0:20-9040020240807145403.rhel9",
            "pkg:rpm/redhat/nodejs@20-9040020240807145403.rhel9?epoch=0",
            ("nodejs:20", "", "nodejs:20", "nodejs:20:9040020240807145403:rhel9"),
        ),
        (
            "tool-0:rhel_8.0-820190211172150.20125149",
            "pkg:rpm/redhat/tool@rhel_8.0-820190211172150.20125149?epoch=0&rpmmod=tool:rhel-8.0",
            ("tool:rhel-8.0", "", "tool:rhel-8.0", "tool:rhel-8.0:820190211172150:20125149"),
        ),
        (
            "numpy-0:3.9-8100020240826142629.d47b87a4.src",
            "pkg:rpm/redhat/numpy@3.9-8100020240826142629.d47b87a4?arch=src&epoch=0&rpmmod=python39:3.9",
            ("numpy", "src", "python39:3.9", "python39:3.9:8100020240826142629:d47b87a4"),
        ),
        (
            "tool-0:1-20240826.1.el9",
            "pkg:rpm/redhat/tool@1-20240826.1.el9?epoch=0",
            ("tool", "?", "", "0:1-20240826.1.el9"),
        ),
        # Damaged package URLs: the id tells the rest.
        (
            "pki-core:10.6/pki-core/idm-pki-acme",
            "pkg:rpx/redhat/idm-pki-acme",
            ("idm-pki-acme", "", "pki-core:10.6", ""),
        ),
        ("httpd24-curl/httpd24-libcurl", "pkg:rpm/red\x7fhat/x?upstream=httpd24-curl", ("httpd24-libcurl", "", "", "")),
        ("el8/candlepin.src", "pkg:rpx/redhat/candlepin", ("candlepin", "src", "", "")),
        ("libtiff-0:4.4.0-12.el9", "", ("libtiff", "?", "", "0:4.4.0-12.el9")),
        (
            "python39-0:3.9-8100020240826142629.d47b87a4",
            "pkg:rpx/redhat/python39",
            ("python39:3.9", "", "python39:3.9", "python39:3.9:8100020240826142629:d47b87a4"),
        ),
    ],
)
def test_components(identity: str, purl: str, expected: tuple[str, ...]) -> None:
    assert rows(flat({identity: purl})) == [expected]


@pytest.mark.parametrize("status", ["fixed", "known_affected", "known_not_affected"])
def test_the_build_of_a_module_is_a_statement_in_any_state(status: str) -> None:
    """Without its build, a module that is fixed or not affected is left out: its packages are listed beside it."""
    name = "python39-0:3.9-8100020240826142629.d47b87a4"
    assert len(rows(flat({name: PYTHON}, status=status))) == 1
    whole = rows(flat({"python39:3.9": "pkg:rpmmod/redhat/python39@3.9"}, status=status))
    assert len(whole) == (status == "known_affected")


def test_a_build_of_another_stream_than_its_module() -> None:
    purl = "pkg:rpm/redhat/python39@3.8-8100020240826142629.d47b87a4?epoch=0&rpmmod=python39:3.9"
    with pytest.raises(CorruptData, match="names two streams of a module"):
        rows(flat({"python39-0:3.8-8100020240826142629.d47b87a4": purl}))


LIBTIFF = {"libtiff-0:4.4.0-12.el9": "pkg:rpm/redhat/libtiff@4.4.0-12.el9?epoch=0"}
CURL = {"curl-0:7.76.1-2.el9.x86_64": "pkg:rpm/redhat/curl@7.76.1-2.el9?arch=x86_64"}
SOURCE = {"curl-0:7.76.1-2.el9.src": "pkg:rpm/redhat/curl@7.76.1-2.el9?arch=src"}


@pytest.mark.parametrize(
    ("generator", "components", "told"),
    [
        (LEGACY, LIBTIFF, "its generator is Red Hat SDEngine"),
        (FLAT, CURL, "its generator is CSAF Generator, and 'pkg:rpm/redhat/curl@7.76.1-2.el9?arch=x86_64' has"),
        ("another", {**LIBTIFF, **CURL}, "'pkg:rpm/redhat/libtiff@4.4.0-12.el9?epoch=0' has no architecture, and"),
    ],
)
def test_a_document_of_both_shapes_is_refused(generator: str, components: dict[str, str], told: str) -> None:
    """What made it, and how it writes builds: one of them is damaged, and the same words say something else."""
    with pytest.raises(CorruptData, match="mixes the shapes of the feeds vex and vex-feed") as caught:
        rows(flat(components, generator))
    assert told in caught.value.message
    assert caught.value.code == "csaf-mixed-shapes"


@pytest.mark.parametrize("category", ["architecture", "product_family"])
def test_branches_of_the_legacy_shape(category: str) -> None:
    item = flat(LIBTIFF)
    inner = item["product_tree"]["branches"][0]
    inner["branches"] = [{"category": category, "name": "", "branches": inner["branches"]}]
    with pytest.raises(CorruptData, match=f"it has a branch of category {category}"):
        rows(item)
    inner["branches"][0]["category"] = "product_name"
    assert rows(item)


@pytest.mark.parametrize(
    ("generator", "components"),
    [(FLAT, LIBTIFF), (FLAT, SOURCE), (LEGACY, CURL), (LEGACY, SOURCE), ("another", LIBTIFF), ("another", CURL)],
)
def test_documents_of_one_shape(generator: str, components: dict[str, str]) -> None:
    assert len(rows(flat(components, generator))) == 1


def test_a_build_of_a_module_may_name_its_packages() -> None:
    """A partial feed is made of the documents that may name an image's packages, sources and modules."""
    text = json.dumps(flat({"python39-0:3.9-8100020240826142629.d47b87a4": PYTHON})).encode()
    assert may_name(text, {"python39:3.9"})
    assert not may_name(text, {"python39:3.8", "python3x-six", "python39-six"})
    text = json.dumps(flat({"pki-core:10.6/pki-core/idm-pki-acme": ""})).encode()
    assert may_name(text, {"idm-pki-acme"})
    assert not may_name(text, {"pki-core"})


def test_the_document_of_a_product_with_one_cpe_twice() -> None:
    """Red Hat has several products with one CPE, and builds of one name with and without .src in them."""
    said = [Says("fixed", MAIN_9, "tool", "0:1.0-2.el9", arch=arch) for arch in ("", "src")]
    ((_cve, found),) = read_document(json.dumps(document("CVE-2026-1000", *said)).encode(), "doc").vulnerabilities
    assert sorted(row.arch for row in found) == ["?", "src"]
