# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fuzz the readers of vulnerability data: CSAF-VEX documents, their CPEs and builds, and the repository map.

Beside "nothing but a ScanError": reading a document for one package alone gives just what it says of that package. The
second reader, which finds what an unreadable document may concern, finds every package of a document that can be read.
"""

from __future__ import annotations

import contextlib
import copy
import functools
import itertools
import json
import random
import typing as t

from ansible_collections.imagescan.openshift.plugins.module_utils._core import times
from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import ScanError
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities import cpes
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.documents import (
    csaf_components,
    csaf_json,
    csaf_statements,
    csaf_tree,
    csaf_vex,
    unread,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.documents.advisories import (
    TEXT_LIMIT,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.documents.model import (
    Document,
    StatementRow,
)
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.feeds import repository_map
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.feeds.parsing import CSAF
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.formats.table import FORMATS
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.matching import builds
from ansible_collections.imagescan.openshift.plugins.module_utils._vulnerabilities.model import SEVERITIES, STATUSES
from ansible_collections.imagescan.openshift.tests.fuzz import fuzz_verdicts
from ansible_collections.imagescan.openshift.tests.fuzz.trees import single_changes
from ansible_collections.imagescan.openshift.tests.support.vex import (
    EUS_9_2,
    MAIN_9,
    MAJOR_9,
    affected,
    document,
    fixed,
    investigated,
    not_affected,
)

_CSAF = (csaf_components, csaf_json, csaf_statements, csaf_tree, csaf_vex)
READERS = [str(module.__file__) for module in (*_CSAF, unread, times, cpes, builds)]

_WORDS: tuple[t.Any, ...] = (
    None,
    True,
    0,
    9.8,
    -1,
    1e300,
    "",
    "fixed",
    "known_affected",
    "csaf_vex",
    "deleted",
    "impact",
    "Critical",
    "vendor_fix",
    "2026-01-01T00:00:00Z",
    "9999-12-31T23:59:59-14:00",
    "pkg:rpm/redhat/a@1-1.el9?arch=src&epoch=1&rpmmod=m:s",
    "pkg:rpm/redhat/lib%2B%2B@1%3A1-1?rpmmod=x",
    "pkg:rpmmod/redhat/virt@rhel:8060020230403063348:ad008a3a",
    "pkg:oci/x",
    "virt:rhel/libtpms",
    "virt:rhel:8060020230403063348:ad008a3a",
    "a-1:1-1.module+el8.6.0+1+aaaaaaaa.noarch",
    "cpe:/a:redhat",
    "cpe:/a:redhat:openshift:4.16::el9",
    "cpe:2.3:o:redhat:enterprise_linux:10.1:*:*:*:*:*:*:*",
    "cpe:/o:redhat:enterprise_linux:9999999999999999999",
    "\ud800\x1b[2J",
    "x" * 5000,
    [],
    {},
    [[]],
    {"text": "None"},
    {"product_id": "x"},
)


def _nested() -> dict[str, t.Any]:
    """Modules by nesting, names without purl, severities of every origin, groups."""
    value = document(
        "CVE-2026-1001",
        affected(MAJOR_9, "tool", severity="", state="Will not fix"),
        fixed(MAIN_9, "lib", "0:1-1.module+el8.6.0+1+aaaaaaaa", arch="noarch"),
        aggregate="None",
    )
    tree, vulnerability = value["product_tree"], value["vulnerabilities"][0]
    product = tree["relationships"][0]["relates_to_product_reference"]
    module = "virt:rhel:8060020230403063348:ad008a3a"
    purl = "pkg:rpmmod/redhat/virt@rhel:8060020230403063348:ad008a3a"
    tree["full_product_names"] = [{"product_id": module, "product_identification_helper": {"purl": purl}}]
    part = "lib-0:1-1.module+el8.6.0+1+aaaaaaaa.src"
    for whole, inner, outer in (("m", module, product), ("w", part, "m"), ("n", "virt:rhel/x.src", product)):
        tree["relationships"].append(
            {
                "full_product_name": {"product_id": whole},
                "product_reference": inner,
                "relates_to_product_reference": outer,
            }
        )
    vulnerability["product_status"]["fixed"] += ["w", "m", "missing"]
    vulnerability["product_status"]["first_affected"] = ["n"]
    tree["product_groups"] = [{"group_id": "g", "product_ids": ["n", "w"]}]
    vulnerability["threats"].append({"category": "impact", "details": "Sévère", "group_ids": ["g"]})
    vulnerability["scores"] = [{"cvss_v3": {"baseScore": 5.5}, "products": vulnerability["threats"][0]["product_ids"]}]
    return value


@functools.cache
def seeds() -> list[bytes]:
    """Small documents that use everything the reader knows, with damage of each kind, and a repository map."""
    values: list[t.Any] = [
        document(
            "CVE-2026-1000",
            fixed(MAIN_9, "openssl", "1:3.0.7-28.el9_4"),
            fixed(EUS_9_2, "openssl", "1:3.0.7-18.el9_2", arch="src"),
            affected(MAJOR_9, "libstdc++", severity="Low"),
            not_affected(MAJOR_9, "perl", module="perl:5.32"),
            not_affected(MAJOR_9, "flatpak", module="rhel10"),
            investigated(MAJOR_9, "bash"),
        ),
        _nested(),
        {"data": {"repo": {"cpes": [MAIN_9]}}},
    ]
    taken_back = document("CVE-2026-1002", affected(MAJOR_9, "tool"))
    taken_back["document"]["tracking"]["status"] = "deleted"
    texts = [base.text for base in fuzz_verdicts.BASES if base.form == CSAF]
    changes = (itertools.islice(single_changes(json.loads(text)), 0, None, 97) for text in texts)
    damaged = [text for found in changes for _what, text in found]
    damaged += [_ALONE.replace(old, new) for old, news in _ODD.items() for new in news]
    return [*(json.dumps(value).encode() for value in (*values, taken_back)), *texts, *damaged]


#: A document with one product and one package, and what may stand in the place of its parts.
_ALONE = json.dumps(document("CVE-2026-1000", affected(MAJOR_9, "tool"), fixed(MAIN_9, "lib", "0:1-2.el9"))).encode()
_ODD: dict[bytes, list[bytes]] = {
    b"pkg:rpm/redhat/tool": [
        *(b"pkg:rpm/fedora/tool", b"pkg:rpm/redhat/tool@1:2-3", b"pkg:rpm/redhat/tool?arch=%25", b"pkg:rpm/redhat/"),
        *(b"pkg:rpm/redhat/other", b"pkg:rpm/redhat/t%20ol", b"pkg:rpmmod/redhat/tool@1", b"pkg:rpmmod/redhat/tool"),
        *(b"pkg:oci/tool", b"pkg:deb/debian/tool", b"pkg:what/tool", b"pkg:rpm/redhat/tool@x", b"tool", b""),
        b"pkg:rpm/redhat/tool?rpmmod=virt",
    ],
    b"tool": [
        *(
            b"tool.src",
            b"tool-1:1-1.x86_64",
            b"virt:rhel/tool",
            b"tool:1:80900202401:a75119d5",
            b"two words",
            b"x" * 300,
        ),
        *(b"tool/unit", b"tool::virt:rhel", b"virt:rhel", b"lib-0:1-2.el9.x86_64"),
    ],
    b"lib@1-2.el9": [
        b"lib",
        b"lib@1",
        b"lib@1-2.module+el8.6.0+1+aaaaaaaa",
        b"lib@x:1-2",
        b"lib@1-2.el9&epoch=y",
        b"lib@",
    ],
    b"1-2.el9": [b"1-2.module+el8.6.0+1+aaaaaaaa"],
    b'"Moderate"': [b'"Dire"', b'"None"', b'""', b"5"],
    b'"threats"': [b'"scores": [{"products": [], "cvss_v3": {"baseScore": 11, "vectorString": "x"}}], "threats"'],
    b'"product_status": {': [b'"product_status": {"recommended": ["a"], ', b'"product_status": {"odd": ["a"], '],
    b'"known_affected": ["': [b'"known_affected": ["nothing:here", "', b'"under_investigation": ["'],
    b"cpe:/o:redhat:enterprise_linux:9": [
        *(b"cpe:/a:redhat:openshift:4.16::el9", b"cpe:/a:redhat:openshift:4::el8", b"cpe:/a:redhat:openshift"),
        *(b"cpe:/o:redhat:rhel_eus:9.2", b"cpe:/o:redhat:enterprise_linux:10.1", b"cpe:/o:other:linux:1", b"cpe:x"),
    ],
}


def mutate(data: bytes, source: random.Random) -> bytes:
    """One to three changes of the JSON's values, keys and structure."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        value = json.loads(source.choice(seeds()))
    root = [value]
    for _change in range(source.choice((1, 1, 2, 3))):
        _change_once(root, source)
    return json.dumps(root[0], ensure_ascii=source.random() < 0.5).encode("utf-8", "replace")


def _change_once(root: list[t.Any], source: random.Random) -> None:
    holder: t.Any = root
    key: t.Any = 0
    while isinstance(holder[key], (dict, list)) and holder[key] and source.random() < 0.85:
        holder = holder[key]
        key = source.choice(list(holder) if isinstance(holder, dict) else range(len(holder)))
    kind = source.randrange(5)
    if kind == 0 and holder is not root:
        del holder[key]
    elif kind == 1 and isinstance(holder, list):
        holder.append(copy.deepcopy(source.choice(holder)))
    elif kind == 2 and isinstance(holder[key], str):
        text = holder[key]
        at = source.randrange(len(text) + 1)
        holder[key] = (
            text[:at] + source.choice(("", ":", "-", "+", "%", "%2B", "/", "@", ".", "é", "\x00", "9")) + text[at + 1 :]
        )
    elif kind == 3 and isinstance(holder, dict):
        holder[source.choice(("product_status", "threats", "branches", "cve", "purl", "group_ids", str(key)))] = holder[
            key
        ]
    else:
        holder[key] = copy.deepcopy(source.choice(_WORDS))


def one_case(data: bytes) -> None:
    """Read one input as everything it could be."""
    with contextlib.suppress(ScanError):
        repository_map.read_repository_map(data, "map")
    for path, name in (
        ("cve-2026-1000.json", "csaf-vex"),
        ("ALSA-2026:1.json", "osv"),
        ("a/RLSA-2026:1", "updateinfo"),
    ):
        scope = FORMATS[name].scope(data, path)
        assert len(scope.names) <= unread.NAMES_LIMIT
    try:
        read = csaf_vex.read_document(data, "document")
    except ScanError as error:
        str(error).encode("utf-8")
        return
    _check(data, read)


def _check(data: bytes, read: Document) -> None:
    image = cpes.ImageProducts([MAIN_9, EUS_9_2, "cpe:/a:redhat:openshift:4.16::el9"])
    assert times.utc_text(read.revision) == read.revision
    rows = [row for _cve, found in read.vulnerabilities for row in found]
    names = unread.csaf_vex_scope(data, "document").names
    assert not names or {row.name.partition(":")[0] for row in rows} <= set(names)
    for row in rows:
        _check_row(row)
        image.relate(row.cpe)
        cpes.ImageProducts([row.cpe]).relate(row.cpe)
        cpes.assumed_cpes(row.evr, row.cpe)
        build = builds.parse_build(row.evr)
        assert builds.compare_builds(build, build) == 0
        builds.stream_of(build.release)
    for name in sorted({row.name for row in rows})[:4]:
        alone = csaf_vex.read_document(data, "document", names={name})
        own = [row for _cve, found in alone.vulnerabilities for row in found]
        # What is said of a whole module is kept, too: its packages are not named.
        assert [row for row in own if row.name == name] == [row for row in rows if row.name == name]
    csaf_vex.may_name(data, {"no-such-package"})


def _check_row(row: StatementRow) -> None:
    assert row.name and row.name.isascii() and row.name.isprintable()
    assert row.severity in SEVERITIES
    assert row.fix_state in ("", *STATUSES)
    assert (row.status == "known_affected" or row.status == "under_investigation") == bool(row.fix_state)
    assert row.product.isprintable() and len(row.product) <= TEXT_LIMIT
    "".join(row).encode("utf-8")
