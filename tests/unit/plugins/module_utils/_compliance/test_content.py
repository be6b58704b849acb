# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Choosing content, checking what is asked of it, and what trimming leaves."""

from __future__ import annotations

import re
import typing as t
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from ansible_collections.imagescan.openshift.plugins.module_utils._compliance.content import trim as trimming
from ansible_collections.imagescan.openshift.plugins.module_utils._compliance.content.canary import CANARY_RULE
from ansible_collections.imagescan.openshift.plugins.module_utils._compliance.content.index import list_profiles
from ansible_collections.imagescan.openshift.plugins.module_utils._compliance.content.select import (
    EvaluationRequest,
    choose,
    fits,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._compliance.content.trim import Trimmed, trim
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import (
    CorruptData,
    InputError,
    LimitExceeded,
    ScanError,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._packages.model import OsRelease
from ansible_collections.imagescan.openshift.tests.support.data_stream import (
    ITEMS,
    PROFILE,
    RULE,
    data_stream,
    definition,
    profile,
    rule,
)

PROFILES = [profile("one", "a", "b"), profile("two", "b", "c"), profile("more", "c", extends="one")]
RULES = [rule("a"), rule("b"), rule("c")]
DEFINITIONS = [definition("a", "a"), definition("b", "b"), definition("c", "c", extends="a"), definition("z")]


def write(folder: Path, data: bytes | None = None, name: str = "ssg-rhel9-ds.xml") -> Path:
    """A data stream as a file."""
    path = folder / name
    path.write_bytes(data if data is not None else data_stream(RULES, PROFILES, DEFINITIONS, items=ITEMS))
    return path


def trimmed(folder: Path, name: str = "one", data: bytes | None = None, **wanted: t.Any) -> Trimmed:
    """Content trimmed to a profile."""
    return trim(EvaluationRequest(name, **wanted), write(folder, data))


def names(rules: t.Iterable[str]) -> list[str]:
    """Rules without their prefix."""
    return [one.replace(RULE, "") for one in rules]


def ids(document: bytes, name: str) -> list[str]:
    """Ids of all elements with a local name, our own left out."""
    found = [element.attrib["id"] for element in ET.fromstring(document).iter() if element.tag.endswith("}" + name)]
    return [one for one in found if "imagescan" not in one]


def oval_ids(document: bytes) -> set[str]:
    """Ids of all OVAL items, the short form."""
    return set(re.findall(rb'id="oval:([a-z-]+):[a-z]{3}:1"', document))


def refused(error: type[ScanError], code: str, call: t.Callable[[], t.Any]) -> str:
    """The message of an error that must come."""
    with pytest.raises(error) as caught:
        call()
    assert caught.value.code == code
    return str(caught.value)


@pytest.mark.parametrize(
    ("identifier", "version", "name"),
    [
        ("rhel", "9.4", "ssg-rhel9-ds.xml"),
        ("rhel", "8", "ssg-rhel8-ds.xml"),
        ("centos", "8", "ssg-centos8-ds.xml"),
        ("centos", "9", "ssg-cs9-ds.xml"),
        ("ol", "8.9", "ssg-ol8-ds.xml"),
        ("fedora", "41", "ssg-fedora-ds.xml"),
        ("sles", "15.5", "ssg-sle15-ds.xml"),
        ("opensuse-leap", "15.5", "ssg-opensuse-ds.xml"),
        ("rhcos", "4.16", "ssg-rhcos4-ds.xml"),
    ],
)
def test_content_is_chosen_by_product_and_major_version(
    tmp_path: Path, identifier: str, version: str, name: str
) -> None:
    for other in ("rhel9", "rhel8", "rhel94", "centos8", "cs9", "ol8", "fedora", "sle15", "opensuse", "rhcos4"):
        write(tmp_path, b"", f"ssg-{other}-ds.xml")
    assert choose(OsRelease(id=identifier, version_id=version), (str(tmp_path),)) == tmp_path / name


@pytest.mark.parametrize(
    "os_release",
    [OsRelease(), OsRelease(id="rhel"), OsRelease(id="rhel", version_id="7.9"), OsRelease(id="debian", version_id="9")],
)
def test_no_content_is_better_than_a_near_one(tmp_path: Path, os_release: OsRelease) -> None:
    write(tmp_path, b"")
    assert choose(os_release, (str(tmp_path),)) is None


SLE15 = ("cpe:/o:suse:linux_enterprise_desktop:15", "cpe:/o:suse:linux_enterprise_server:15")
RHEL9 = ("cpe:/o:redhat:enterprise_linux:9",)


@pytest.mark.parametrize(
    ("os_release", "platforms", "good"),
    [
        (OsRelease(cpe_name="cpe:/o:redhat:enterprise_linux:9::baseos"), RHEL9, True),
        (OsRelease(cpe_name="cpe:2.3:o:redhat:enterprise_linux:9.4:*:*:*"), RHEL9, True),
        (OsRelease(id="rhel", version_id="9.4"), RHEL9, True),
        (OsRelease(cpe_name="cpe:/o:redhat:enterprise_linux:8.2:GA"), RHEL9, False),
        (OsRelease(cpe_name="cpe:/o:redhat:enterprise_linux:90"), RHEL9, False),
        (OsRelease(id="rhel", version_id="8.4"), RHEL9, False),
        (OsRelease(cpe_name="cpe:/o:centos:centos:9"), RHEL9, False),
        (OsRelease(cpe_name="cpe:/o:centos:centos:8"), (*RHEL9, "cpe:/o:centos:centos:8"), True),
        (OsRelease(id="sles", version_id="15.4", cpe_name="cpe:/o:suse:sles:15:sp4"), SLE15, True),
        (OsRelease(id="sled", version_id="15.4", cpe_name="cpe:/o:suse:sled:15:sp4"), SLE15, True),
        (OsRelease(id="sles", version_id="12.5", cpe_name="cpe:/o:suse:sles:12:sp5"), SLE15, False),
        (OsRelease(), RHEL9, False),
        (OsRelease(id="rhel", version_id="9"), ("cpe:/a:redhat:something:9",), False),
        (OsRelease(id="anything"), (), True),
        (OsRelease(id="anything"), ("#expression",), True),
        (OsRelease(id="anything"), ("#expression", *RHEL9), False),
    ],
)
def test_content_must_be_for_the_product_and_its_major_version(
    os_release: OsRelease, platforms: tuple[str, ...], good: bool
) -> None:
    problem = fits(os_release, platforms)
    assert (problem is None) == good
    assert good or (problem and problem.code == "content-other-product")


def test_profiles_are_listed(tmp_path: Path) -> None:
    found = [(one.id, one.title) for one in list_profiles(write(tmp_path))]
    assert found == [(f"{PROFILE}{name}", f"Profile {name}") for name in ("one", "two", "more")]


def test_only_what_a_profile_needs_is_left(tmp_path: Path) -> None:
    result = trimmed(tmp_path)
    assert (result.profile, names(result.rules)) == (f"{PROFILE}one", ["a", "b"])
    assert (result.benchmark, result.version) == ("xccdf_test_benchmark_RHEL-9", "0.1")
    assert result.platforms == RHEL9
    assert ids(result.document, "Profile") == [f"{PROFILE}one"]
    assert names(ids(result.document, "Rule")) == ["a", "b"]
    assert ids(result.document, "Value") == ["xccdf_test_value_one"]
    assert oval_ids(result.document) == {
        *(b"d-a", b"t-a", b"o-a", b"s-a", b"d-b", b"t-b", b"o-b", b"v-b", b"o-e"),
        b"platform",
    }
    for gone in (b"long text", b"why", b"rm -rf", b"very long", b"about one", b'ocil.xml" uri', b"questionnaires"):
        assert gone not in result.document
    for stays in (b"1.a<", b"CCE-b", b"<x:title>Guide", b"urn:xccdf:fix:script:sh"):
        assert stays in result.document


def test_references_through_sets_filters_variables_and_definitions_stay(tmp_path: Path) -> None:
    found = oval_ids(trimmed(tmp_path, "two", rules=("c",)).document)
    assert found == {
        *(b"d-c", b"d-a", b"t-c", b"t-a", b"o-c", b"o-d", b"s-d", b"v-d", b"o-a", b"s-a"),
        b"platform",
    }


def test_extended_profiles_stay(tmp_path: Path) -> None:
    result = trimmed(tmp_path, "more")
    assert names(result.rules) == ["a", "b", "c"]
    assert ids(result.document, "Profile") == [f"{PROFILE}one", f"{PROFILE}more"]


def test_a_rule_never_stands_right_behind_a_tag(tmp_path: Path) -> None:
    minified = data_stream(RULES, PROFILES, DEFINITIONS, items=ITEMS).replace(b"\n", b"")
    assert b"><x:Rule" in minified
    result = trimmed(tmp_path, data=minified)
    assert b"><x:Rule" not in result.document
    assert names(ids(result.document, "Rule")) == ["a", "b"]


def test_the_canary_expects_the_image(tmp_path: Path) -> None:
    document = trimmed(tmp_path).for_image(421, "abc123")
    assert b"@imagescan" not in document
    assert b">421<" in document
    assert b"^imagescan=abc123$" in document
    [canary] = [element for element in ET.fromstring(document).iter() if element.get("id") == CANARY_RULE]
    assert canary.get("selected") == "true"


def test_groups_conditions_and_clusters_decide_about_rules(tmp_path: Path) -> None:
    rules = [
        rule("a", f'<x:requires idref="{RULE}b {RULE}c"/>\n'),
        rule("b", f'<x:conflicts idref="{RULE}c"/>\n'),
        rule("c", cluster_id="cluster"),
        rule("d", f'<x:requires idref="{RULE}e"/>\n'),
        rule("e"),
    ]
    select = '<x:select idref="cluster" selected="true"/>\n'
    off = '<x:select idref="xccdf_test_group_one" selected="false"/>\n'
    profiles = [profile("p", "a", "b", "d"), profile("q", "a", "b", more=select), profile("off", "a", more=off)]
    data = data_stream(rules, profiles, [definition(name) for name in "abcde"])
    assert names(trimmed(tmp_path, "p", data).rules) == ["a", "b"]
    assert names(trimmed(tmp_path, "q", data).rules) == ["a", "c"]
    # What a rule asks about must stay, selected or not: oscap aborts without it.
    assert names(ids(trimmed(tmp_path, "p", data).document, "Rule")) == ["a", "b", "c"]
    refused(InputError, "profile-empty", lambda: trimmed(tmp_path, "off", data))


def test_what_does_not_exist_is_named(tmp_path: Path) -> None:
    text = refused(InputError, "profile-missing", lambda: trimmed(tmp_path, "three"))
    assert "'three'" in text
    assert "one, two, more" in text
    assert "nope" in refused(InputError, "rule-missing", lambda: trimmed(tmp_path, rules=("a", "nope")))
    assert "does not select" in refused(InputError, "rule-missing", lambda: trimmed(tmp_path, rules=("c",)))
    refused(InputError, "content-missing", lambda: trim(EvaluationRequest("one"), tmp_path / "none.xml"))


TAILORING = (
    '<x:Tailoring xmlns:x="http://checklists.nist.gov/xccdf/1.2" id="t"><x:benchmark href="{href}"{more}/>'
    '<x:Profile id="own" extends="{base}"><x:select idref="{rule}" selected="{selected}"/></x:Profile></x:Tailoring>'
)


def tailored(folder: Path, **parts: str) -> Trimmed:
    """Content with a tailoring file."""
    defaults = {
        "href": "ssg-rhel9-ds.xml",
        "more": "",
        "base": f"{PROFILE}one",
        "rule": f"{RULE}a",
        "selected": "false",
    }
    path = folder / "tailoring.xml"
    path.write_text(TAILORING.format(**{**defaults, **parts}), encoding="utf-8")
    return trimmed(folder, parts.get("profile", "own"), tailoring=str(path))


def test_a_tailoring_file_changes_the_selection(tmp_path: Path) -> None:
    result = tailored(tmp_path)
    assert (result.profile, names(result.rules)) == ("own", ["b"])
    assert ids(result.document, "Profile") == [f"{PROFILE}one"]
    assert b"Tailoring" in result.tailoring
    assert names(tailored(tmp_path, rule=f"{RULE}c", selected="true").rules) == ["a", "b", "c"]


@pytest.mark.parametrize(
    "parts",
    [
        {"href": "/usr/share/xml/scap/ssg/content/ssg-rhel8-ds.xml"},
        {"more": ' id="xccdf_test_benchmark_RHEL-8"'},
        {"rule": f"{RULE}nope"},
        {"base": f"{PROFILE}nope"},
    ],
)
def test_a_tailoring_file_of_another_benchmark_is_refused(tmp_path: Path, parts: dict[str, str]) -> None:
    refused(InputError, "tailoring-mismatch", lambda: tailored(tmp_path, **parts))


def test_a_tailoring_file_must_have_the_profile_and_be_one(tmp_path: Path) -> None:
    refused(InputError, "profile-missing", lambda: tailored(tmp_path, profile="one"))
    path = tmp_path / "tailoring"
    for text in ("<a/>", "<a", '<!DOCTYPE a><Tailoring xmlns="u"/>'):
        path.write_text(text, encoding="utf-8")
        refused(InputError, "tailoring-damaged", lambda: trimmed(tmp_path, tailoring=str(path)))


def test_what_was_trimmed_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    path = write(tmp_path)
    first = trim(EvaluationRequest("one"), path, cache)
    other = trim(EvaluationRequest("two"), path, cache)
    assert len(list(cache.iterdir())) == 2
    monkeypatch.setattr(trimming, "_trim", lambda *_arguments: pytest.fail("trimmed again"))
    assert trim(EvaluationRequest("one"), path, cache) == first
    assert trim(EvaluationRequest("two"), path, cache) == other
    assert first != other


def test_other_content_is_trimmed_anew(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    first = trim(EvaluationRequest("one"), write(tmp_path), cache)
    second = trim(
        EvaluationRequest("one"), write(tmp_path, data_stream(RULES[:2], PROFILES[:1], DEFINITIONS, items="")), cache
    )
    assert first.digest != second.digest
    assert len(list(cache.iterdir())) == 2


def test_a_damaged_cache_is_made_anew(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    path = write(tmp_path)
    first = trim(EvaluationRequest("one"), path, cache)
    [kept] = cache.iterdir()
    for damage in (b"", b"{}\n", kept.read_bytes()[:-100]):
        kept.write_bytes(damage)
        assert trim(EvaluationRequest("one"), path, cache) == first


@pytest.mark.parametrize(
    ("change", "error", "code"),
    [
        (lambda data: data[:-40], CorruptData, "content-damaged"),
        (lambda data: b"<!DOCTYPE a>" + data[39:], CorruptData, "content-damaged"),
        (lambda data: data.replace(b"UTF-8", b"UTF-16"), CorruptData, "content-damaged"),
        (lambda _data: b"<a/>", InputError, "content-kind"),
        (lambda _data: b"", CorruptData, "content-damaged"),
        (lambda _data: b"<a>" * 500, LimitExceeded, "limit-content"),
        (lambda data: data.replace(b'_rule_b"', b'_rule_a"', 1), ScanError, "content-damaged"),
    ],
)
def test_content_that_is_no_good_is_refused(
    tmp_path: Path, change: t.Callable[[bytes], bytes], error: type[ScanError], code: str
) -> None:
    data = change(data_stream(RULES, [], DEFINITIONS, items=ITEMS))
    refused(error, code, lambda: trimmed(tmp_path, data=data))
