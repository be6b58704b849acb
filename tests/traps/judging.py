# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Traps in what people write (policies, exceptions), in kinds of images, and in time."""

from __future__ import annotations

import typing as t

from ansible_collections.imagescan.openshift.examples.fleet import images, rpmdb

from .situation import PATCHED, SYSTEM, VULNERABLE
from .trap import Trap, differs, hides

REFUSED: t.Any = {"verdict": "error", "codes": "invalid-input"}


def policy(*lines: str, name: str = "mine") -> str:
    """A policy with these lines."""
    return "\n".join([f"- name: {name}", *(f"  {line}" for line in lines), ""])


LIMIT = "vulnerabilities: {max_severity: moderate, fixable: true}"
GOOD = policy(LIMIT)


def exception(**keys: str) -> str:
    """An exception; ``None`` leaves a key out."""
    given = {"id": "CVE-2026-900101", "reason": "behind the firewall", "expires": "2026-03-01", **keys}
    return "- {" + ", ".join(f"{key}: {value}" for key, value in given.items() if value) + "}\n"


def accepted(name: str, fools: str, trap: str, *, codes: tuple[str, ...] = ("vulnerability",), **more: t.Any) -> Trap:
    """The image is vulnerable; the twin's exception holds, the trap's must not."""
    return differs(
        name, fools, "exceptions", trap, exception(), codes=codes, packages=VULNERABLE, **{"verdict": "failed", **more}
    )


def condition(expression: str) -> str:
    """A policy with one expression."""
    return policy(LIMIT, "conditions:", f'  - {{name: one, that: "{expression}"}}')


NO_FINDINGS = condition("length(vulnerabilities) == `0`")

HTOP = rpmdb.parse_rpm("htop-3.3.0-1.el9.x86_64", vendor="Fedora Project", key_id="8a3872bf3228467c")

#: A single program and nothing else; what Debian and Alpine images have.
STATIC: t.Any = {
    "write": lambda packages: {},
    "os_release": None,
    "manifest": None,
    "system": (images.Entry("app", b"\x7fELF", mode=0o755),),
}
DEBIAN: t.Any = {
    "write": lambda packages: {},
    "os_release": images.os_release(id="debian", version_id="12", name="Debian GNU/Linux"),
    "manifest": None,
    "more": (
        images.Entry("var/lib/dpkg/status", b"Package: openssl\nStatus: install ok installed\nVersion: 3.0.7-1\n\n"),
    ),
}
ALPINE: t.Any = {
    "write": lambda packages: {},
    "os_release": images.os_release(id="alpine", version_id="3.19.1", name="Alpine Linux"),
    "manifest": None,
    "more": (images.Entry("lib/apk/db/installed", b"P:openssl\nV:3.0.7-r1\n\n"),),
}
UNKNOWN: t.Any = {"write": lambda packages: {}, "os_release": None, "manifest": None, "system": SYSTEM}


def accepting(kind: str) -> str:
    """A policy that accepts a kind of image."""
    return policy(LIMIT, f"accept: [{kind}]")


TRAPS: list[Trap] = [
    # Policies.
    differs(
        "no-policy-selects-the-image",
        "whoever lets no policy mean no objection",
        "policy",
        policy(LIMIT, 'images: {registries: ["quay.io"]}'),
        GOOD,
        codes="no-policy",
    ),
    differs("no-policy-at-all", "the same for a file without a policy", "policy", "[]\n", GOOD, **REFUSED),
    differs(
        "policy-with-a-misspelt-key",
        "whoever ignores keys that it does not know: max_severty limits nothing",
        "policy",
        policy(LIMIT, "vulnerabilites: {max_severity: low}"),
        GOOD,
        **REFUSED,
    ),
    differs(
        "policy-with-a-misspelt-severity",
        "whoever finds no finding above 'imporant'",
        "policy",
        policy("vulnerabilities: {max_severity: imporant}"),
        GOOD,
        **REFUSED,
    ),
    differs(
        "policy-that-asks-for-nothing",
        "whoever lets a policy without conditions pass everything",
        "policy",
        policy("description: to be done"),
        GOOD,
        **REFUSED,
    ),
    differs(
        "policy-key-twice",
        "YAML, of which most readers keep the last of two equal keys",
        "policy",
        policy(LIMIT, "vulnerabilities: {max_severity: critical}"),
        GOOD,
        **REFUSED,
    ),
    differs(
        "policy-in-a-second-document",
        "YAML, of which most readers take the first document of a file",
        "policy",
        policy("vulnerabilities: {max_severity: critical}", name="lax") + "---\n" + policy(LIMIT, name="strict"),
        GOOD,
        **REFUSED,
    ),
    hides(
        "policy-severity-in-other-letters",
        "whoever compares words letter by letter, and finds no limit",
        policy=policy("vulnerabilities: {max_severity: MODERATE, fixable: yes}"),
    ),
    differs(
        "strict-policy-after-a-lax-one",
        "whoever takes the first verdict, or the last one",
        "policy",
        policy("vulnerabilities: {max_severity: critical}", name="lax")
        + policy(LIMIT, name="strict")
        + policy("vulnerabilities: {max_severity: critical}", name="last"),
        policy("vulnerabilities: {max_severity: critical}", name="lax"),
        verdict="failed",
        packages=VULNERABLE,
    ),
    differs(
        "expression-with-a-misspelt-field",
        "JMESPath, to which an unknown field is null: !vulnerabilites holds",
        "policy",
        condition("!vulnerabilites"),
        NO_FINDINGS,
        **REFUSED,
    ),
    differs(
        "expression-with-a-misspelt-value",
        "JMESPath, which finds no severity 'crtical', and so no finding",
        "policy",
        condition("length(vulnerabilities[?severity == 'crtical']) == `0`"),
        NO_FINDINGS,
        **REFUSED,
    ),
    differs(
        "expression-that-is-no-condition",
        "whoever takes a list, which is true, for a condition that holds",
        "policy",
        condition("vulnerabilities[?severity == 'critical']"),
        NO_FINDINGS,
        **REFUSED,
    ),
    *(
        differs(
            f"expression-{name}",
            "JMESPath, which finds nothing and says nothing: " + fools,
            "policy",
            condition(expression),
            NO_FINDINGS,
            **REFUSED,
        )
        for name, fools, expression in (
            ("with-a-number-of-a-text", "to_number of a text is null", "!(vulnerabilities[?to_number(cvss) >= `9`])"),
            ("with-a-part-of-a-word", "severities are in lower case", "!(vulnerabilities[?contains(severity, 'Imp')])"),
            ("with-the-beginning-of-a-word", "the same", "!(vulnerabilities[?starts_with(severity, 'Crit')])"),
            ("with-a-package-by-its-name", "package is a NEVRA", "!(vulnerabilities[?package == 'openssl-libs'])"),
            ("with-a-list-of-names", "the same in a list", "!contains(vulnerabilities[].package, 'openssl-libs')"),
            ("with-an-id-in-lower-case", "ids are in capitals", "!contains(vulnerabilities[].id, 'cve-2026-900101')"),
            ("with-a-wildcard", "there are no patterns", "!(vulnerabilities[?name == 'openssl*'])"),
            ("with-a-score-above-all", "no score is above 10", "!(vulnerabilities[?cvss_score > `10`])"),
            (
                "with-two-values-at-once",
                "none has both",
                "!(vulnerabilities[?status == 'affected' && status == 'fix_available'])",
            ),
            ("with-a-null-that-never-is", "texts are empty, not null", "!(vulnerabilities[?advisory == `null`])"),
            ("of-a-length", "no length is below 0", "length(vulnerabilities) >= `0`"),
            ("without-parentheses", "&& binds tighter", "inventory.complete || packages > `1` && !vulnerabilities"),
        )
    ),
    differs(
        "expression-of-a-score-that-is-missing",
        "whoever finds no score above the limit where the vendor gives none",
        "policy",
        policy("conditions:", '  - {name: one, that: "!(vulnerabilities[?cvss_score >= `9`])"}'),
        policy("conditions:", "  - {name: one, that: \"!(vulnerabilities[?severity == 'critical'])\"}"),
        packages=VULNERABLE,
        codes="cvss-missing",
    ),
    differs(
        "expression-that-gives-null",
        "whoever negates null: the first finding of an image without findings",
        "policy",
        condition("vulnerabilities[0].severity != 'critical' && vulnerabilities[0].id"),
        NO_FINDINGS,
        **REFUSED,
    ),
    differs(
        "expression-that-fails",
        "whoever ignores a condition that cannot be evaluated",
        "policy",
        condition("max(vulnerabilities[].length(id)) < `20`"),
        NO_FINDINGS,
        codes="policy-error",
    ),
    differs(
        "condition-is-broken",
        "whoever looks at the typed conditions alone",
        "policy",
        condition("packages < `2`"),
        NO_FINDINGS,
        verdict="failed",
        codes="condition-broken",
    ),
    differs(
        "signed-feed-required",
        "whoever counts data that came without a signature as signed",
        "policy",
        policy(LIMIT, "require_signed_feed: true"),
        GOOD,
        codes="feed-unsigned",
    ),
    differs(
        "compliance-required",
        "whoever finds no failed rule where no rule was evaluated",
        "policy",
        policy(LIMIT, "compliance: {score: 90}"),
        GOOD,
        codes="compliance-missing",
    ),
    # Exceptions.
    accepted(
        "exception-has-expired",
        "whoever never looks at the date",
        exception(expires="2026-02-28"),
        codes=("vulnerability", "exception-expired"),
    ),
    accepted("exception-for-another-package", "whoever compares the finding alone", exception(packages="[zlib]")),
    accepted("exception-for-another-image", "the same", exception(images='["registry.example.com/other:*"]')),
    accepted(
        "exception-for-a-longer-number", "whoever looks for the beginning of an id", exception(id="CVE-2026-9001")
    ),
    differs(
        "exception-without-an-end",
        "whoever accepts for ever",
        "exceptions",
        exception(expires=""),
        exception(),
        packages=VULNERABLE,
        **REFUSED,
    ),
    differs(
        "exception-for-everything",
        "whoever lets one line accept all that will ever be found",
        "exceptions",
        exception(id='"*"'),
        exception(),
        packages=VULNERABLE,
        **REFUSED,
    ),
    differs(
        "exception-for-every-vulnerability",
        "the same, better dressed",
        "exceptions",
        exception(id='"CVE-*"'),
        exception(),
        packages=VULNERABLE,
        **REFUSED,
    ),
    differs(
        "exception-for-every-package",
        "the same, with packages named as *",
        "exceptions",
        exception(id='"CVE-2026-*"', packages='["*"]'),
        exception(),
        packages=VULNERABLE,
        **REFUSED,
    ),
    differs(
        "exception-without-a-reason",
        "whoever accepts without asking why",
        "exceptions",
        exception(reason=""),
        exception(),
        packages=VULNERABLE,
        **REFUSED,
    ),
    differs(
        "exception-with-a-misspelt-key",
        "whoever ignores 'package': the exception then covers all packages",
        "exceptions",
        exception(package="zlib"),
        exception(),
        packages=VULNERABLE,
        **REFUSED,
    ),
    # Kinds of images.
    differs(
        "single-program",
        "whoever finds no package in a static image",
        "policy",
        GOOD,
        accepting("static"),
        codes="no-package-database",
        **STATIC,
    ),
    differs(
        "debian",
        "whoever reads RPMs alone, and finds none",
        "policy",
        GOOD,
        accepting("dpkg"),
        codes="no-package-database",
        **DEBIAN,
    ),
    differs("alpine", "the same", "policy", GOOD, accepting("apk"), codes="no-package-database", **ALPINE),
    differs(
        "another-kind-is-accepted",
        "whoever lets one accepted kind stand for all",
        "policy",
        accepting("static"),
        accepting("dpkg"),
        codes="no-package-database",
        **DEBIAN,
    ),
    differs(
        "unknown-kind-accepted-by-name",
        "whoever can be told to accept what nobody knows",
        "policy",
        accepting("unknown"),
        accepting("static"),
        **REFUSED,
    ),
    differs(
        "system-without-a-database",
        "whoever takes an image with a shell and no package database for a single program",
        "system",
        SYSTEM,
        STATIC["system"],
        codes="no-package-database",
        **{key: value for key, value in STATIC.items() if key != "system"},
        policy=accepting("static"),
    ),
    differs(
        "nothing-is-mounted",
        "whoever takes the empty folder below a mount that failed for an image with nothing to complain of",
        "system",
        (),
        STATIC["system"],
        codes="inventory-incomplete",
        **{key: value for key, value in STATIC.items() if key != "system"},
        policy=accepting("static"),
        form="rootfs",
    ),
    differs(
        "jars-not-examined",
        "whoever looks at RPMs, while the software came as a jar",
        "policy",
        policy(LIMIT, "unexamined: {jar: inconclusive}"),
        policy(LIMIT, "unexamined: {npm: inconclusive}"),
        codes="components-not-examined",
        more=(images.Entry("opt/app/app.jar", b"PK\x03\x04"),),
    ),
    differs(
        "vendor-accepted-by-another-key",
        "whoever accepts foreign packages as soon as any vendor is accepted",
        "policy",
        policy(LIMIT, "accept_vendors: [{key_id: 21ea45ab2f86d6a1}]"),
        policy(LIMIT, "accept_vendors: [{key_id: 8a3872bf3228467c}]"),
        codes="packages-not-covered",
        packages=(*PATCHED, HTOP),
    ),
    differs(
        "vendor-accepted-by-a-short-key",
        "whoever compares the last eight digits, which anybody can forge",
        "policy",
        policy(LIMIT, 'accept_vendors: [{key_id: "3228467c"}]'),
        policy(LIMIT, "accept_vendors: [{key_id: 8a3872bf3228467c}]"),
        packages=(*PATCHED, HTOP),
        **REFUSED,
    ),
    # Time.
    differs(
        "scan-too-old",
        "whoever keeps an inventory for ever, taken before a tool saw what it sees today",
        "scan_age",
        24 * 60.0,
        policy=policy(LIMIT, "max_age: {scan: 30d}"),
        codes="scan-stale",
    ),
    differs(
        "scan-from-the-future",
        "a clock that is wrong: what was scanned tomorrow is never old",
        "scan_age",
        -24 * 60.0,
        policy=policy(LIMIT, "max_age: {scan: 30d}"),
        codes="scan-time",
    ),
    differs(
        "never-scanned",
        "whoever counts an image without results as one without findings",
        "scanned",
        False,
        codes="not_scanned_yet",
    ),
    differs(
        "inventory-of-a-later-version",
        "whoever reads the fields that it knows",
        "edit_inventory",
        lambda inventory: inventory.update(schema_version=999),
        verdict="error",
        codes="inventory-too-new",
    ),
]
