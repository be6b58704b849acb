# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fuzz the trimming of content for OpenSCAP.

An input is a letter and what follows. ``C``: a data stream. ``T``: a tailoring file for a good one. ``K``: trimmed
content as it is sent to pods. ``O``: an os-release file, for which content is chosen.

Beside "nothing but a ScanError": what is left is whole XML with the canary; every rule that is wanted is in it once,
with all its checks; and what was kept or sent is what comes back.
"""

from __future__ import annotations

import contextlib
import random
import tempfile
from pathlib import Path
from xml.etree import ElementTree

from ansible_collections.imagescan.openshift.plugins.module_utils._compliance.content import canary, index, select
from ansible_collections.imagescan.openshift.plugins.module_utils._compliance.content import trim as trimming
from ansible_collections.imagescan.openshift.plugins.module_utils._compliance.content.canary import CANARY_RULE
from ansible_collections.imagescan.openshift.plugins.module_utils._compliance.content.index import list_profiles
from ansible_collections.imagescan.openshift.plugins.module_utils._compliance.content.select import (
    EvaluationRequest,
    choose,
    fits,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._compliance.content.trim import (
    Trimmed,
    pack_trimmed,
    trim,
    unpack_trimmed,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import ScanError
from ansible_collections.imagescan.openshift.plugins.module_utils._packages.inventory import parse_os_release
from ansible_collections.imagescan.openshift.tests.fuzz import trees
from ansible_collections.imagescan.openshift.tests.fuzz.mutations import mutate_bytes
from ansible_collections.imagescan.openshift.tests.support.data_stream import (
    ITEMS,
    PROFILE,
    RULE,
    data_stream,
    definition,
    profile,
    rule,
)

READERS = [str(module.__file__) for module in (canary, index, select, trimming)]

_XCCDF = "{http://checklists.nist.gov/xccdf/1.2}"
_NAME = "ssg-rhel9-ds.xml"
_RULES = [
    rule("a", f'<x:requires idref="{RULE}b {RULE}c"/>\n'),
    rule("b", f'<x:conflicts idref="{RULE}d"/>\n', cluster_id="cluster"),
    *(rule("c"), rule("d")),
]
_PROFILES = [
    profile("one", "a", "b", more='<x:select idref="cluster" selected="true"/>\n'),
    profile("more", "c", extends="one"),
]
_DEFINITIONS = [definition("a", "a"), definition("b", "b"), definition("c", "c", extends="a"), definition("z")]
WHOLE = data_stream(_RULES, _PROFILES, _DEFINITIONS, items=ITEMS)
TAILORING = (
    f'<x:Tailoring xmlns:x="http://checklists.nist.gov/xccdf/1.2" id="t"><x:benchmark href="{_NAME}"/>'
    f'<x:Profile id="one" extends="{PROFILE}one"><x:select idref="{RULE}c" selected="true"/></x:Profile></x:Tailoring>'
)
OS_RELEASE = 'ID="rhel"\nVERSION_ID="9.4"\nPRETTY_NAME="x"\nCPE_NAME="cpe:/o:redhat:enterprise_linux:9::baseos"\n'


def one_case(data: bytes) -> None:
    read = {b"C": _content, b"T": _tailoring, b"K": _kept, b"O": _os_release}.get(data[:1])
    if read is None:
        return
    try:
        with tempfile.TemporaryDirectory() as folder:
            read(data[1:], Path(folder))
    except ScanError as error:
        assert error.code and str(error).isprintable(), "an error that cannot be shown"


def _content(data: bytes, folder: Path) -> None:
    path = folder / _NAME
    path.write_bytes(data)
    offered = list_profiles(path)
    wanted = [
        EvaluationRequest("one", rules=("b",)),
        *(EvaluationRequest(one.id) for one in offered[:3]),
    ]
    for one in wanted:
        with contextlib.suppress(ScanError):
            trimmed = trim(one, path, folder)
            assert trim(one, path, folder) == trimmed, "what was kept is something else"
            assert unpack_trimmed(pack_trimmed(trimmed)) == trimmed
            assert trimmed.profile in {known.id for known in offered}
            _check(data, trimmed)
    trim(EvaluationRequest("one"), path)


def _check(data: bytes, trimmed: Trimmed) -> None:
    before, after = _checks(data), _checks(trimmed.for_image(5, "0" * 32))
    assert CANARY_RULE in after, "the canary is not in it"
    for identity in trimmed.rules:
        assert after[identity] == before[identity], "a rule is lost, or checks something else"


def _checks(document: bytes) -> dict[str, list[list[tuple[str, list[tuple[str, str]]]]]]:
    """Id of each rule -> what each element with that id has in its checks."""
    found: dict[str, list[list[tuple[str, list[tuple[str, str]]]]]] = {}
    for element in ElementTree.fromstring(document).iter(f"{_XCCDF}Rule"):
        checks = [
            (inner.tag, sorted(inner.attrib.items()))
            for check in element.findall(f"{_XCCDF}check")
            for inner in check.iter()
        ]
        found.setdefault(element.get("id", ""), []).append(checks)
    return found


def _tailoring(data: bytes, folder: Path) -> None:
    path, tailoring = folder / _NAME, folder / "tailoring.xml"
    path.write_bytes(WHOLE)
    tailoring.write_bytes(data)
    trimmed = trim(EvaluationRequest("one", tailoring=str(tailoring)), path)
    assert trimmed.tailoring == data
    _check(WHOLE, trimmed)


def _kept(data: bytes, _folder: Path) -> None:
    found = unpack_trimmed(data)
    assert unpack_trimmed(pack_trimmed(found)) == found


def _os_release(data: bytes, folder: Path) -> None:
    (folder / _NAME).touch()
    (folder / "ssg-cs9-ds.xml").touch()
    os_release = parse_os_release(data)
    chosen = choose(os_release, (str(folder),))
    assert chosen is None or chosen.parent == folder, "content of another folder"
    for platforms in (("cpe:/o:redhat:enterprise_linux:9",), ("#expression",), ()):
        problem = fits(os_release, platforms)
        assert problem is None or problem.code == "content-other-product"


def seeds() -> list[bytes]:
    document = WHOLE.decode()
    documents = [
        *(document, "", "<a/>", "<a", "<a>" * 500, document[:-40], document.replace("UTF-8", "UTF-16")),
        document.replace('<?xml version="1.0" encoding="UTF-8"?>', "<!DOCTYPE a>"),
        document.replace(f'extends="{PROFILE}one"', f'extends="{PROFILE}none"'),
        document.replace(f'extends="{PROFILE}one"', f'extends="{PROFILE}more"'),
        document.replace('name="oval:d-a:def:1"', ""),
        document.replace("<x:fix system=", '<x:fix/><x:fix system="', 1).replace('system=""', 'system="'),
        document.replace(">rm -rf /</x:fix>", "/>"),
        document.replace("<x:description>text</x:description>", "<x:description/>"),
        document.replace("<x:description>text</x:description>", "<x:description><![CDATA[</x:Rule>]]></x:description>"),
        document.replace("<x:rationale>why", "<x:rationale><!-- <x:Rule> -->why"),
        document.replace('selected="false"', 'selected="1"'),
        document.replace("oval:d-b:def:1", "oval:d-a:def:1"),
        document.replace('id="oval:t-b:tst:1"', 'id="oval:t-a:tst:1"'),
        document.replace(f'id="{RULE}b"', f'id="{RULE}a"'),
        document.replace('id="scap_comp_ocil"', 'id="scap_comp_oval"'),
        document.replace("</ds:checklists>", '<ds:component-ref id="z" xlink:href="#z"/></ds:checklists>'),
        document.replace("</ds:data-stream>", '</ds:data-stream><ds:data-stream id="second"/>'),
        document.replace("</x:Benchmark>", '</x:Benchmark><x:Benchmark id="second"/>'),
        document.replace("_profile_one", "_profile_won"),
        document.replace(f"{PROFILE}one", "other_profile_one"),
        document.replace('<x:Group id="xccdf_test_group_one">', '<x:Group id="g" selected="false">'),
    ]
    tailorings = [
        *(TAILORING, "", "<a/>", "<a", f"<!DOCTYPE a>{TAILORING}", "<a>" * 500),
        TAILORING.replace("rhel9", "rhel8"),
        TAILORING.replace(f"{PROFILE}one", "none"),
        TAILORING.replace(f"{RULE}c", "none"),
        TAILORING.replace("<x:benchmark", '<x:benchmark id="other"'),
        TAILORING.replace('id="one"', 'id="two"'),
        TAILORING.replace('"true"', '"false"'),
    ]
    releases = [
        *(OS_RELEASE, "", "ID=debian", "ID=rhel\n", "ID=centos\nVERSION_ID=9", "ID=centos\nVERSION_ID=8"),
        "ID=fedora\nVERSION_ID=41",
        "ID=rhel\nVERSION_ID=../../9",
        "ID=sles\nVERSION_ID=15.5\nCPE_NAME=cpe:/o:suse:sles:15:sp5",
        OS_RELEASE.replace("cpe:/o:redhat", "cpe:2.3:o:other"),
    ]
    kept = pack_trimmed(Trimmed("sha256:d", "b", "1", "p", ("r",), ("c",), b"<xml/>"))
    return [
        *(b"C" + one.encode() for one in documents),
        *(b"T" + one.encode() for one in tailorings),
        *(b"O" + one.encode() for one in releases),
        *(b"K" + one for one in (kept, kept[:-5], b"")),
    ]


def mutate(data: bytes, source: random.Random) -> bytes:
    letter, rest = data[:1], data[1:]
    if letter in (b"C", b"T") and source.random() < 0.7:
        with contextlib.suppress(ValueError, LookupError, ElementTree.ParseError):
            return letter + trees.random_xml_change(rest, source)
    return letter + mutate_bytes(rest, source)
