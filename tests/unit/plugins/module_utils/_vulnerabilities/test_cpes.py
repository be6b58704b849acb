# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""CPEs: how they are read, and which products of statements an image has."""

from __future__ import annotations

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.cpes import (
    Cpe,
    ImageProducts,
    assumed_cpes,
    parse_cpe,
)
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "cpe:/o:redhat:enterprise_linux:9::baseos",
            Cpe("redhat", "enterprise_linux", "9", "", "baseos", ""),
        ),
        ("cpe:/a:redhat:openshift:4.16::el9", Cpe("redhat", "openshift", "4.16", "el9", "", "")),
        ("cpe:/o:redhat:rhel_eus:9.2::baseos", Cpe("redhat", "rhel_eus", "9.2", "", "baseos", "eus")),
        ("cpe:/o:redhat:enterprise_linux_eus:10.2", Cpe("redhat", "enterprise_linux_eus", "10.2", "", "", "eus")),
        ("cpe:/a:redhat:rhel_eus_long_life:8.4", Cpe("redhat", "rhel_eus_long_life", "8.4", "", "", "eus_long_life")),
        ("cpe:2.3:o:redhat:enterprise_linux:9.4:*:*:*:*:*:*:*", Cpe("redhat", "enterprise_linux", "9.4", "", "", "")),
        ("cpe:2.3:a:redhat:a\\:b:1:*:el8:*:*:*:*:*", Cpe("redhat", "a:b", "1", "el8", "", "")),
        ("cpe:/a:RedHat:JBoss%2bX:-", Cpe("redhat", "jboss+x", "", "", "", "")),
        ("cpe:/a:redhat:jbosseapxp", Cpe("redhat", "jbosseapxp", "", "", "", "")),
        ("cpe:/a:redhat", None),
        ("cpe:/a::openshift:4", None),
        ("cpe:/", None),
        ("", None),
        ("redhat:enterprise_linux:9", None),
    ],
)
def test_reading(text: str, expected: Cpe | None) -> None:
    assert parse_cpe(text) == expected


@pytest.mark.parametrize(
    ("text", "family", "major", "minor"),
    [
        ("cpe:/o:redhat:enterprise_linux:9::baseos", "enterprise_linux", 9, None),
        ("cpe:/o:redhat:enterprise_linux:10.1", "enterprise_linux", 10, 1),
        ("cpe:/o:redhat:rhel_aus:8.4::baseos", "enterprise_linux", 8, 4),
        ("cpe:/o:redhat:rhel_els:7", "enterprise_linux", 7, None),
        ("cpe:/a:redhat:openshift:4.16::el9", "openshift", 9, None),
        ("cpe:/a:redhat:openshift:4.16", "openshift", 0, None),
        ("cpe:/a:redhat:rhel_software_collections:3::el7", "rhel_software_collections", 7, None),
        ("cpe:/o:redhat:enterprise_linux", "enterprise_linux", 0, None),
        ("cpe:/o:redhat:enterprise_linux:9999999", "enterprise_linux", 0, None),
        ("cpe:/o:redhat:enterprise_linux:²", "enterprise_linux", 0, None),
        ("cpe:/o:redhat:enterprise_linux:9.²", "enterprise_linux", 9, None),
    ],
)
def test_family_and_version_of_enterprise_linux(text: str, family: str, major: int, minor: int | None) -> None:
    cpe = parse_cpe(text)
    assert cpe is not None
    assert (cpe.family, cpe.major, cpe.minor) == (family, major, minor)


def test_specificity_orders_products_by_how_exactly_they_are_named() -> None:
    ordered = [
        "cpe:/a:redhat:x",
        "cpe:/a:redhat:x:1",
        "cpe:/a:redhat:x:1.2",
        "cpe:/a:redhat:x:1.2::el9",
    ]
    ranks = [cpe.specificity for text in ordered if (cpe := parse_cpe(text))]
    assert ranks == sorted(set(ranks)) and len(ranks) == 4
    major, channel, stream = (
        parse_cpe(text)
        for text in (
            "cpe:/o:redhat:enterprise_linux:9",
            "cpe:/o:redhat:enterprise_linux:9::baseos",
            "cpe:/o:redhat:rhel_eus:9.2::baseos",
        )
    )
    assert major and channel and stream
    assert major.specificity < channel.specificity < stream.specificity


def test_another_vendor_is_another_product() -> None:
    image = ImageProducts(["cpe:/o:redhat:enterprise_linux:9", "cpe:/a:redhat:openshift:4.16"])
    assert image.relate("cpe:/o:other:enterprise_linux:9") is None
    assert image.relate("cpe:/a:other:openshift:4.16") is None
    assert image.relate("garbage") is None


def test_update_streams_of_the_image_s_version_are_related_without_applying() -> None:
    image = ImageProducts(["cpe:/o:redhat:enterprise_linux:9::baseos"])
    relation = image.relate("cpe:/a:redhat:rhel_eus:9.2::appstream")
    assert relation is not None and not relation.applies and not relation.available and not relation.clears
    assert image.relate("cpe:/a:redhat:rhel_eus:8.6::appstream") is None


def test_an_image_of_a_product_whose_version_is_not_told_exactly() -> None:
    """It may have any of them: what is broken counts, what is fine does not clear."""
    for own in ("cpe:/a:redhat:openshift:4", "cpe:/a:redhat:openshift"):
        relation = ImageProducts([own]).relate("cpe:/a:redhat:openshift:4.16")
        assert relation is not None and relation.applies and not relation.clears
    edition = ImageProducts(["cpe:/a:redhat:openshift:4.16"]).relate("cpe:/a:redhat:openshift:4.16::el8")
    assert edition is not None and edition.applies, "nothing tells which Enterprise Linux the image is"


@pytest.mark.parametrize(
    ("version", "name", "expected"),
    [
        ("9.4", "cpe:/o:redhat:enterprise_linux:9::baseos", ["9::baseos", "9::appstream", "9::crb"]),
        ("8", "", ["8::baseos", "8::appstream", "8::crb"]),
        ("10.1", "cpe:/o:redhat:enterprise_linux:10.1", ["10.1"]),
        ("", "", []),
        ("rolling", "", []),
        ("9.4", "cpe:/a:redhat:openshift:4.16::el9", ["9::baseos", "9::appstream", "9::crb", "4.16::el9"]),
    ],
)
def test_what_is_assumed(version: str, name: str, expected: list[str]) -> None:
    found = assumed_cpes(version, name)
    assert [cpe.cpe.split(":", 4)[4] for cpe in found] == expected
    assert all(cpe.source == "assumed" for cpe in found)


@given(st.text(max_size=60), st.text(max_size=60))
def test_any_text_is_read_and_compared_without_an_error(one: str, two: str) -> None:
    for prefix in ("", "cpe:/", "cpe:2.3:", "cpe:/o:redhat:enterprise_linux:"):
        parse_cpe(prefix + one)
        ImageProducts([prefix + one]).relate(prefix + two)
        assumed_cpes(one, prefix + two)
