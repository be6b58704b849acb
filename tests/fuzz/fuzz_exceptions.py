# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fuzz the readers of exceptions: the YAML that people write, and VEX of an image's maker (OpenVEX and CSAF).

Beside "nothing but a ScanError": what was not refused clears no finding of an image that nothing in it names, and every
statement that clears is one that the format lets clear.
"""

from __future__ import annotations

import copy
import datetime
import json
import random
import typing as t

from ansible_collections.imagescan.openshift.plugins.module_utils._core.errors import ScanError
from ansible_collections.imagescan.openshift.plugins.module_utils._verdicts import applying, documents, exceptions, vex

READERS = [str(module.__file__) for module in (exceptions, documents, vex, applying)]

NOW = datetime.datetime(2026, 11, 24, 12, 0, tzinfo=datetime.timezone.utc)
DIGEST = "sha256:" + "1" * 64
IMAGE = f"pkg:oci/app@{DIGEST}"
BY_NAME = "pkg:oci/app?repository_url=registry.example.com/team/app&tag=1"
PACKAGE = "pkg:rpm/redhat/openssl-libs@3.0.7-27.el9?arch=x86_64&epoch=1"
CVE = "CVE-2026-1001"
MEANT = applying.ImageNames((DIGEST,), ("registry.example.com/team/app:1",), "rhel")
STRANGER = applying.ImageNames(("sha256:" + "e" * 64,), ("other.example.org/x:1",), "rhel")


class _Finding(t.NamedTuple):
    id: str
    name: str
    package: str
    status: str


FOUND = _Finding(CVE, "openssl-libs", "openssl-libs-1:3.0.7-27.el9.x86_64", "affected")
RULE = {"id": "xccdf_org.ssgproject.content_rule_no_empty_passwords", "result": "fail"}

YAML = """\
---
- id: CVE-2026-1001
  reason: "tested"
  owner: me@example.com
  ticket: SEC-1
  expires: 2027-01-01
  when: fixed
  justification: component_not_present
  packages: [openssl-libs, 'o*']
  images: ["registry.example.com/*", "sha256:*1"]
  policies: base
- {id: "CVE-2026-100*", reason: a, expires: 2026-11-24}
- {rule: "no_empty_*", reason: |
    several
    lines, expires: ~}
- rule: no_empty_passwords
  reason: x
  expires: 2020-02-29
"""
#: The same without mistakes.
WHOLE = (
    YAML[: YAML.index("- {id")]
    + """\
- {id: "CVE-2026-100*", reason: a, expires: 2027-11-24, packages: openssl-libs}
- rule: "no_empty_*"
  reason: |
    several
    lines
  expires: 2027-02-28
  policies: [base, "strict*"]
"""
)
_LINES = (
    "- {id: CVE-2026-1001, reason: a, when: fixed}",
    "- {id: 'CVE-2026-100*', reason: a, when: fixed}",
    "- {reason: a, expires: 2027-01-01}",
    "- {rule: abcd, reason: a, when: fixed}",
    "- {rule: abcd, reason: a, expires: 2027-01-01, packages: [a]}",
    "  id: [a]",
    "  id: '*'",
    "  expires: 2027-02-29",
    "  when: never",
    "  policies: []",
    "  packages: ['*']",
    "  justification: none",
    "  reason: &a b",
    "  owner: *a",
    "  ticket: !!int 7",
    "  ? [a]\n  : b",
    "  <<: {a: b}",
    "- - - - -",
    "---",
    "\t- a",
)

#: Entries with one mistake each, or written in a way that few use.
_ENTRIES: tuple[dict[str, t.Any], ...] = (
    {"id": CVE, "rule": "abcd"},
    {"reason": None},
    {"reason": ""},
    {"reason": "x" * 20_000},
    {"images": []},
    {"images": "*"},
    {"images": ["sha256:*"], "packages": "open*", "policies": ["base", "other"]},
    {"id": "*"},
    {"id": "CVE-*"},
    {"id": ["a"]},
    {"justification": "none"},
    {"justification": "component_not_present", "when": "never"},
    {"expires": "2027-02-29"},
    {"expires": ["2027-02-28"]},
    {"policies": ["none"]},
    {"owner": "!!int 7"},
    {"unknown": "a"},
)
_RULES = ({"rule": "*"}, {"rule": "no*"}, {"rule": ""}, {"rule": ["a"]}, {"packages": ["a"]}, {"when": "fixed"})

_WORDS: tuple[t.Any, ...] = (
    *(
        None,
        True,
        0,
        1e300,
        "",
        "x" * 2000,
        "\ud800",
        [],
        {},
        [[]],
        {"@id": IMAGE},
        "2026-01-01T00:00:00Z",
        "2999-01-01",
    ),
    *("fixed", "affected", "not_affected", "under_investigation", "final", "draft", "csaf_vex", "2.0", "impact"),
    *(
        *exceptions.JUSTIFICATIONS[:2],
        CVE,
        IMAGE,
        BY_NAME,
        PACKAGE,
        "pkg:rpm/a",
        "pkg:oci/app",
        "pkg:maven/a/b@1",
        "pkg:",
    ),
    *("pkg:rpm/redhat/openssl-libs@1:3.0.7-27.el9?epoch=2", "image", "part", "whole", "group", vex.CONTEXT, "1" * 64),
)


def openvex() -> dict[str, t.Any]:
    """Everything that the reader knows of OpenVEX."""
    component = {"@id": PACKAGE, "identifiers": {"purl": PACKAGE}}
    return {
        "@context": vex.CONTEXT,
        "@id": "https://example.com/1",
        "author": "Maker",
        "timestamp": "2026-01-01T00:00:00Z",
        "last_updated": "2026-02-01T00:00:00+01:00",
        "version": 1,
        "statements": [
            {
                "vulnerability": {"name": CVE, "aliases": ["GHSA-1"]},
                "products": [{"@id": IMAGE, "identifiers": {"purl": IMAGE}, "subcomponents": [component]}],
                "status": "not_affected",
                "justification": "component_not_present",
            },
            {
                "vulnerability": {"name": "GHSA-2", "aliases": [CVE]},
                "products": [{"@id": BY_NAME}, {"@id": "x", "hashes": {"sha-256": "1" * 64}}, {"@id": "pkg:rpm/a"}],
                "status": "fixed",
                "timestamp": "2026-01-01T00:00:00Z",
            },
            {"vulnerability": {"name": CVE}, "products": [{"@id": IMAGE, "subcomponents": []}], "status": "affected"},
            {"vulnerability": {"name": CVE}, "status": "not_affected", "products": [{"@id": IMAGE}]},
        ],
    }


def csaf() -> dict[str, t.Any]:
    """Everything that the reader knows of CSAF."""

    def product(name: str, *urls: str) -> dict[str, t.Any]:
        return {"product_id": name, "product_identification_helper": {"purl": urls[0], "purls": list(urls[1:])}}

    def inside(whole: str, part: str, container: str) -> dict[str, t.Any]:
        return {
            "full_product_name": {"product_id": whole},
            "product_reference": part,
            "relates_to_product_reference": container,
        }

    return {
        "document": {
            "category": "csaf_vex",
            "csaf_version": "2.0",
            "publisher": {"name": "Maker"},
            "tracking": {"id": "1", "status": "final", "current_release_date": "2026-01-01T00:00:00Z"},
        },
        "product_tree": {
            "branches": [{"branches": [{"product": product("image", IMAGE)}]}],
            "full_product_names": [product("part", PACKAGE, PACKAGE), product("jar", "pkg:maven/a/b@1"), {}],
            "relationships": [inside("whole", "part", "image"), inside("w2", "jar", "image"), inside("w3", "w3", "w3")],
            "product_groups": [{"group_id": "group", "product_ids": ["whole", "image"]}],
        },
        "vulnerabilities": [
            {
                "cve": CVE,
                "ids": [{"text": "X-1"}],
                "product_status": {
                    "known_not_affected": ["whole", "w2", "w3"],
                    "fixed": ["image"],
                    "known_affected": ["part"],
                },
                "flags": [{"label": "component_not_present", "group_ids": ["group"]}],
                "threats": [{"category": "impact", "details": "none", "product_ids": ["whole"]}],
            }
        ],
    }


def seeds() -> list[bytes]:
    """Documents that use everything the readers know, and lines that people get wrong."""
    texts = [YAML, WHOLE, "", "[]", "a: b", "- {a: b", *(f"{line}\n" for line in _LINES), "[" * 40]
    found: list[bytes] = [text.encode() for text in texts]
    values: list[t.Any] = [openvex(), csaf(), [], {}, {"@context": "x"}]
    values += [[{"id": CVE, "reason": "a", "when": "fixed", **entry}] for entry in _ENTRIES]
    values += [[{"rule": "no_empty_*", "reason": "a", "expires": "2027-01-01", **entry}] for entry in _RULES]
    path: tuple[t.Any, ...]
    for path in (("statements", 0, "status"), ("statements", 0, "justification"), ("statements", 1, "timestamp")):
        values.append(_set(openvex(), path, "2999-01-01T00:00:00Z"))
    for path in (
        ("author",),
        ("timestamp",),
        ("statements", 0, "vulnerability", "name"),
        ("statements", 0, "products"),
    ):
        values.append(_set(openvex(), path, [] if path[-1] == "products" else ""))
    values.append(_set(openvex(), ("statements", 0, "products"), [{"@id": f"x{number}"} for number in range(30)]))
    values.append(_set(openvex(), ("statements", 0, "products"), [1]))
    values.append(_set(openvex(), ("statements", 0, "vulnerability", "aliases"), [1]))
    values.append(_set(openvex(), ("statements",), []))
    for path in (("category",), ("csaf_version",), ("tracking", "status"), ("tracking", "id")):
        values.append(_set(csaf(), ("document", *path), ""))
    values.append(_set(csaf(), ("vulnerabilities", 0), {}))
    values.append(_set(csaf(), ("vulnerabilities", 0, "flags", 0, "label"), "because"))
    deep: dict[str, t.Any] = {}
    for _level in range(20):
        deep = {"branches": [deep]}
    values.append(_set(csaf(), ("product_tree",), deep))
    return found + [json.dumps(value).encode() for value in values]


def _set(value: t.Any, path: t.Sequence[t.Any], new: t.Any) -> t.Any:
    holder = value
    for name in path[:-1]:
        holder = holder[name]
    holder[path[-1]] = new
    return value


def mutate(data: bytes, source: random.Random) -> bytes:
    """Another line of YAML, or another value of the JSON."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        lines = data.decode("utf-8", "replace").split("\n")
        for _time in range(source.randint(1, 3)):
            place = source.randrange(len(lines) + 1)
            if source.random() < 0.3 and lines:
                lines.pop(place % len(lines))
            else:
                lines.insert(place, source.choice((*_LINES, *YAML.split("\n"))))
        return "\n".join(lines).encode("utf-8", "replace")
    for _time in range(source.randint(1, 3)):
        holder, key = source.choice(_places(value) or [([value], 0)])
        if source.random() < 0.2:
            del holder[key]
        elif source.random() < 0.2 and isinstance(holder, list):
            holder.append(copy.deepcopy(holder[key]))
        else:
            holder[key] = copy.deepcopy(source.choice(_WORDS))
    return json.dumps(value).encode()


def _places(value: t.Any) -> list[tuple[t.Any, t.Any]]:
    found: list[tuple[t.Any, t.Any]] = []
    stack = [value]
    while stack and len(found) < 2000:
        holder = stack.pop()
        for key in list(holder) if isinstance(holder, dict) else range(len(holder)) if isinstance(holder, list) else ():
            found.append((holder, key))
            stack.append(holder[key])
    return found


def one_case(data: bytes) -> None:
    """Read it in both ways, and ask what it accepts."""
    entries: list[applying.Entry] = []
    try:
        text = data.decode("utf-8")
        found = exceptions.load_exceptions(text, "case.yml")
        exceptions.check_policies(found, ["base", "strict-1"])
        entries += found
    except (UnicodeDecodeError, ScanError):
        pass
    try:
        statements = vex.read_vex(data, "case.json", now=NOW).statements
    except ScanError:
        statements = ()
    for one in statements:
        assert one.image.digest or one.image.repository, one
        assert one.status in ("fixed", "not_affected") or not one.clears, one
        assert not one.clears or one.status == "fixed" or one.justification or one.impact, one
        assert not one.clears or one.status != "fixed" or one.image.digest or one.package, one
    entries += statements
    known = applying.Exceptions(entries)
    accepted = [known.of_image(named, NOW.date()).accepted([FOUND], [RULE], "base") for named in (MEANT, STRANGER)]
    for named in (MEANT, STRANGER):
        for used in known.of_image(named, NOW.date()).used([FOUND], [RULE], ["base", "other"]):
            json.dumps(used.document())
    if statements:
        assert not accepted[1].findings, "a stranger's image was cleared"
