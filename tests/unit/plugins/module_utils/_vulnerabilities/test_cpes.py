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
        ("cpe:/a:redhat:openshift:4.*", Cpe("redhat", "openshift", "4.*", "", "", "")),
        ("cpe:/a:redhat:openshift:4.%02::el8", Cpe("redhat", "openshift", "4.*", "el8", "", "")),
        ("cpe:/a:redhat:openshift:4.?", Cpe("redhat", "openshift", "4.?", "", "", "")),
        ("cpe:/a:redhat:openshift:4.%01%01", Cpe("redhat", "openshift", "4.??", "", "", "")),
        ("cpe:2.3:a:redhat:openshift:4.1?:*:el8:*:*:*:*:*", Cpe("redhat", "openshift", "4.1?", "el8", "", "")),
        ("cpe:/a:redhat:openshift:%02", Cpe("redhat", "openshift", "", "", "", "")),
        ("cpe:/a:redhat:openshift:*", Cpe("redhat", "openshift", "", "", "", "")),
        ("cpe:/o:redhat:enterprise_linux:9.*", Cpe("redhat", "enterprise_linux", "9.*", "", "", "")),
        # What is not sound, or means nobody knows which products.
        ("cpe:/a:redhat:openshift:4.*.1", None),
        ("cpe:/a:redhat:openshift:4.%02.1234", None),
        ("cpe:/a:redhat:openshift:4.**", None),
        ("cpe:/a:redhat:openshift:4.?*", None),
        ("cpe:/a:redhat:openshift:4.%2a", None),
        ("cpe:/a:redhat:openshift:4.%3F", None),
        ("cpe:/a:redhat:openshift:4.%00", None),
        ("cpe:2.3:a:redhat:openshift:4.\\*:*:*:*:*:*:*:*", None),
        ("cpe:/a:redhat:open*:4", None),
        ("cpe:/a:red%01hat:openshift:4", None),
        ("cpe:/a:redhat:openshift:4::el*", None),
        ("cpe:/o:redhat:enterprise_linux:1?", None),
        ("cpe:/o:redhat:enterprise_linux:*.4", None),
        ("cpe:/o:redhat:rhel_eus:9.*::baseos", None),
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


@pytest.mark.parametrize(
    ("stated", "own", "applies", "clears"),
    [
        # NISTIR 7696: "*" is any run of characters, "?" one or none.
        ("4.*", "4.12", True, True),
        ("4.%02", "4.12", True, True),
        ("4.*", "4.", True, True),
        ("4.*", "4.12.3", True, True),
        ("4.*", "5.1", False, False),
        ("4.*", "40.1", False, False),
        ("4.*", "14.1", False, False),
        ("*.12", "4.12", True, True),
        ("*.12", "4.13", False, False),
        ("4.?", "4.1", True, True),
        ("4.%01", "4.1", True, True),
        ("4.?", "4.12", False, False),
        ("4.1?", "4.12", True, True),
        ("4.1?", "4.1", True, False),  # one or none: said to have the flaw it counts, said to have none it does not
        ("4.1?", "4.2", False, False),
        ("4.1?", "4.123", False, False),
        ("4.??", "4.12", True, True),
        ("??12", "4.12", True, True),
        ("*1*", "4.12", True, True),
        ("*3*", "4.12", False, False),
        ("*", "4.12", True, True),
        ("%02", "4.12", True, True),
        # An image that does not say exactly which version it has.
        ("4.*", "4", True, False),
        ("4.*", "", True, False),
        ("4.*", "5", False, False),
        ("4.1?", "4.12.3", True, False),
        ("4.12", "4.*", True, False),
        ("5.1", "4.*", False, False),
        ("4.1?", "4.*", True, False),
        ("4", "4.*", True, False),
        ("", "4.*", True, True),
        ("4.12", "4.*.1", True, False),  # which nobody can read
    ],
)
def test_wildcards_in_versions(stated: str, own: str, *, applies: bool, clears: bool) -> None:
    """ "Not affected" is only believed of an image that certainly has the version."""
    relation = ImageProducts([f"cpe:/a:redhat:openshift:{own}::el8"]).relate(f"cpe:/a:redhat:openshift:{stated}::el8")
    assert (relation is not None and relation.applies, relation is not None and relation.clears) == (applies, clears)


@pytest.mark.parametrize(
    ("stated", "own", "applies", "clears"),
    [
        ("9.*", "9", True, True),
        ("9.*", "9.4", True, True),
        ("9.*", "8", False, False),
        ("9.4*", "9.4", True, True),
        ("9.4*", "9", True, False),
        ("9.?", "9.10", True, False),  # fixes of any minor concern every later one
    ],
)
def test_wildcards_in_minors_of_enterprise_linux(stated: str, own: str, *, applies: bool, clears: bool) -> None:
    relation = ImageProducts([f"cpe:/o:redhat:enterprise_linux:{own}"]).relate(
        f"cpe:/o:redhat:enterprise_linux:{stated}"
    )
    assert (relation is not None and relation.applies, relation is not None and relation.clears) == (applies, clears)


def test_a_wildcard_is_less_exact_than_a_version() -> None:
    ranks = [
        cpe.specificity
        for version in ("4.*.1", "*.12", "4", "4.*", "4.1?", "4.12", "4.12.*", "4.12.1")
        if (cpe := parse_cpe(f"cpe:/a:redhat:openshift:{version}"))
    ]
    assert ranks == [0, 1, 1, 1, 2, 2, 3], "so that 'not affected' of a pattern does not clear an exact version"
