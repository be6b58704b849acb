# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Traps in what is accepted: exceptions that hide more than a finding, and VEX that nobody may trust.

In all of them the image is vulnerable. The twin's exception (or VEX) holds, and so the twin passes.
"""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

from ansible_collections.imagescan.openshift.examples.fleet import images

from .judging import GOOD, HTOP, LIMIT, REFUSED, condition, exception, policy
from .situation import APPSTREAM_9, REPOSITORIES, VULNERABLE, Situation, Vex
from .trap import Trap, differs, hides

#: Accepts whatever an exception can accept.
EVERYTHING = (
    exception()
    + exception(id='"CVE-*"', packages='["openssl-*", "bash-*", "htop-*"]')
    + "- {rule: no_empty_passwords, reason: tested, expires: 2026-03-01}\n"
)
#: A fix is there, and with it the exception's end.
UNFIXED = "vulnerabilities: {max_severity: moderate}"


def unseen(name: str, field: str, trap: t.Any, twin: t.Any = None, **more: t.Any) -> Trap:
    """Something cannot be seen, and exceptions accept everything; the twin sees it."""
    more.setdefault("packages", VULNERABLE)
    fools = "whoever lets an exception clear the image instead of the finding"
    return differs(f"everything-accepted-but-{name}", fools, field, trap, twin, exceptions=EVERYTHING, **more)


def vex(name: str, fools: str, trap: Vex, **more: t.Any) -> Trap:
    """VEX that must not be used."""
    return differs(f"vex-{name}", fools, "vex", trap, Vex(), verdict="failed", packages=VULNERABLE, **more)


def statement(**keys: t.Any) -> t.Callable[[t.Any], None]:
    """Change the one statement; None takes a key out."""

    def edit(document: t.Any) -> None:
        for key, value in keys.items():
            document["statements"][0].pop(key, None)
            if value is not None:
                document["statements"][0][key] = value

    return edit


def corrected(document: t.Any) -> None:
    """A newer statement takes back what the first one says."""
    document["statements"].append({**document["statements"][0], "status": "affected", "action_statement": "update"})
    document["statements"][0]["timestamp"] = "2026-01-01T00:00:00Z"


def corrected_as(name: str) -> t.Callable[[t.Any], None]:
    """A newer statement takes back what the first one says, of a vulnerability under another name."""

    def edit(document: t.Any) -> None:
        corrected(document)
        document["statements"][1] = {**document["statements"][1], "vulnerability": {"name": name}}

    return edit


def unclear(part: str) -> t.Callable[[t.Any], None]:
    """A newer statement takes back what the first one says, of a part that is not understood."""

    def edit(document: t.Any) -> None:
        corrected(document)
        newer = json.loads(json.dumps(document["statements"][1]))
        newer["products"][0]["subcomponents"] = [{"@id": part}]
        document["statements"][1] = newer

    return edit


def product(**keys: t.Any) -> t.Callable[[t.Any], None]:
    """Change the one product."""
    return lambda document: document["statements"][0]["products"][0].update(keys)


def damaged(feed: Path) -> None:
    """A document of the feed is cut."""
    (feed / "cve-2026-900150.json").write_text('{"document": {')


TRAPS: list[Trap] = [
    # What exceptions never hide.
    unseen("the-data-is-stale", "feed_age", 60 * 24.0, codes="feed-stale"),
    unseen("there-is-no-data", "feed", False, codes="feed-missing"),
    unseen("a-document-is-damaged", "edit_feed", damaged, codes="feed-incomplete"),
    unseen("it-was-never-scanned", "scanned", False, codes="not_scanned_yet"),
    unseen(
        "the-scan-is-old",
        "scan_age",
        60 * 24.0,
        policy=policy(LIMIT, "max_age: {scan: 30d}"),
        codes="scan-stale",
    ),
    unseen(
        "the-inventory-is-incomplete",
        "edit_inventory",
        lambda inventory: inventory["problems"].append({"code": "rpmdb-corrupt", "message": "page 7"}),
        codes=("inventory-incomplete", "rpmdb-corrupt"),
    ),
    unseen(
        "the-database-counts-more",
        "edit_inventory",
        lambda inventory: inventory["database"].update(rows=99),
        codes="package-count",
    ),
    unseen(
        "a-repository-has-no-product",
        "repositories",
        {APPSTREAM_9: REPOSITORIES[APPSTREAM_9]},
        REPOSITORIES,
        codes="repository-unmapped",
    ),
    unseen("a-package-is-not-covered", "packages", (*VULNERABLE, HTOP), VULNERABLE, codes="packages-not-covered"),
    unseen(
        "jars-are-not-examined",
        "more",
        (images.Entry("opt/app/app.jar", b"PK\x03\x04"),),
        policy=policy(LIMIT, "unexamined: {jar: inconclusive}"),
        codes="components-not-examined",
    ),
    unseen(
        "a-platform-is-missing",
        "platforms",
        ("linux/amd64", "linux/arm64"),
        children=(("linux/amd64", Situation(packages=VULNERABLE)),),
        codes="platform-missing",
    ),
    unseen(
        "no-policy-selects-the-image",
        "policy",
        policy(LIMIT, 'images: {registries: ["quay.io"]}'),
        GOOD,
        codes="no-policy",
    ),
    unseen(
        "a-condition-cannot-be-evaluated",
        "policy",
        condition("starts_with(vulnerabilities[1].id, 'CVE')"),
        condition("starts_with(vulnerabilities[0].id, 'CVE')"),
        codes="policy-error",
    ),
    unseen(
        "the-data-is-not-signed",
        "policy",
        policy(LIMIT, "require_signed_feed: true"),
        GOOD,
        codes="feed-unsigned",
    ),
    unseen(
        "no-rule-was-evaluated",
        "policy",
        policy(LIMIT, "compliance: {max_failed_severity: none}"),
        GOOD,
        codes="compliance-missing",
    ),
    # Exceptions that end, or are for others.
    differs(
        "exception-until-fixed-and-there-is-a-fix",
        "whoever forgets why it was accepted",
        "exceptions",
        exception(expires="", when="fixed"),
        exception(),
        policy=policy(UNFIXED),
        packages=VULNERABLE,
        verdict="failed",
        codes=("vulnerability", "exception-ended"),
    ),
    differs(
        "exception-for-another-policy",
        "whoever lets what one team accepts hold for all",
        "exceptions",
        exception(policies="[other]"),
        exception(policies="[default]"),
        packages=VULNERABLE,
        verdict="failed",
    ),
    differs(
        "exception-for-findings-yet-to-be-found",
        "whoever accepts a pattern without an end",
        "exceptions",
        exception(id='"CVE-2026-900*"', expires="", when="fixed"),
        exception(id='"CVE-2026-900*"'),
        packages=VULNERABLE,
        **REFUSED,
    ),
    *(
        differs(
            f"exception-for-{name}",
            "whoever takes the letters of a range for a name",
            "exceptions",
            exception(id=f'"{identifier}"', packages=f'["{packages}"]'),
            exception(id='"*E*"', packages='["openssl-*"]'),
            packages=VULNERABLE,
            **REFUSED,
        )
        for name, identifier, packages in (
            ("every-id-in-brackets", "[A-Z]*", "openssl-*"),
            ("every-package-in-brackets", "*E*", "[a-z]*"),
            ("every-package-that-ends-somehow", "*E*", "?*[!0]"),
            ("every-package-of-an-architecture", "CVE-*", "*.x86_64"),
            ("every-package-of-a-release", "CVE-*", "*el9*"),
            ("every-package-with-a-letter", "CVE-*", "*s*"),
            ("every-package-of-a-letter", "CVE-*", "o*"),
            ("every-package-but-by-brackets", "CVE-*", "[!-]*-*"),
            ("every-library", "CVE-*", "[a-z]*-libs*"),
        )
    ),
    differs(
        "exception-for-every-rule",
        "whoever lets one line accept all rules",
        "exceptions",
        exception() + '- {rule: "xccdf_org.ssgproject.content_rule_*", reason: a, expires: 2026-03-01}\n',
        exception() + '- {rule: "sshd_disable_*", reason: a, expires: 2026-03-01}\n',
        packages=VULNERABLE,
        **REFUSED,
    ),
    *(
        differs(
            f"exception-for-{name}",
            "whoever takes the beginning of every rule for the name of one",
            "exceptions",
            exception() + f'- {{rule: "{pattern}", reason: a, expires: 2026-03-01}}\n',
            exception() + '- {rule: "sshd_disable_*", reason: a, expires: 2026-03-01}\n',
            packages=VULNERABLE,
            **REFUSED,
        )
        for name, pattern in (
            ("rules-that-begin-as-all-do", "xccdf*"),
            ("rules-that-begin-almost-so", "xccd*"),
            ("rules-of-every-benchmark", "xccdf_*_rule_*"),
            ("rules-of-one-kind", "package_*"),
            ("rules-that-end-somehow", "*_enabled"),
        )
    ),
    *(
        differs(
            f"exception-until-{name}",
            "whoever forgets what was accepted, because it never ends",
            "exceptions",
            exception(expires=day),
            exception(expires="2028-02-29"),
            packages=VULNERABLE,
            **REFUSED,
        )
        for name, day in (("the-end-of-days", "9999-12-31"), ("two-years-and-a-day", "2028-03-01"))
    ),
    # VEX of somebody.
    vex("without-a-signature", "whoever believes what is written", Vex(signed_by="")),
    vex("of-somebody-else", "whoever checks that there is a signature, not whose", Vex(signed_by="stranger")),
    vex("that-was-changed", "whoever checks a signature over something else", Vex(cut=("CVE-2026", "CVE-2026"[:0]))),
    vex("of-another-image", "whoever looks at the vulnerability alone", Vex(image=f"sha256:{'2' * 64}")),
    vex(
        "of-no-image", "whoever lets VEX about a package hold in every image", Vex(edit=product(**{"@id": "pkg:rpm/a"}))
    ),
    vex(
        "of-another-package",
        "whoever takes a part for the whole",
        Vex(edit=product(subcomponents=[{"@id": "pkg:rpm/redhat/zlib"}])),
    ),
    vex(
        "of-a-part-that-is-no-package",
        "the same, where the part is not understood",
        Vex(edit=product(subcomponents=[{"@id": "pkg:maven/org.example/app@1"}])),
    ),
    vex("that-says-affected", "whoever counts statements", Vex(edit=statement(status="affected"))),
    vex("without-a-reason", "whoever takes not_affected without asking why", Vex(edit=statement(justification=None))),
    vex("that-was-corrected", "whoever takes the first statement, or any", Vex(edit=corrected)),
    *(
        differs(
            f"vex-that-was-corrected-for-{name}",
            "whoever reads a correction as narrowly as what it corrects",
            "vex",
            Vex(edit=unclear(part)),
            Vex(edit=unclear("pkg:rpm/redhat/zlib")),
            verdict="failed",
            packages=VULNERABLE,
        )
        for name, part in (
            ("a-source-package", "pkg:rpm/redhat/openssl?arch=src"),
            ("a-part-that-is-no-package", "pkg:generic/openssl"),
            ("a-version-without-a-release", "pkg:rpm/redhat/openssl-libs@3.0.7"),
        )
    ),
    *(
        differs(
            f"vex-that-was-corrected-in-{name}",
            "whoever compares ids letter by letter, and leaves what was taken back in force",
            "vex",
            Vex(edit=corrected_as(identifier)),
            Vex(edit=corrected_as("CVE-2026-900102")),
            verdict="failed",
            packages=VULNERABLE,
        )
        for name, identifier in (
            ("lower-case", "cve-2026-900101"),
            ("a-url", "https://nvd.nist.gov/vuln/detail/CVE-2026-900101"),
            ("other-dashes", "CVE\u20112026\u2011900101"),
        )
    ),
    vex(
        "from-the-future",
        "whoever lets a statement outlive its correction",
        Vex(edit=statement(timestamp="2099-01-01T00:00:00Z")),
    ),
    vex(
        "of-an-unknown-version",
        "whoever reads the fields that it knows",
        Vex(edit=lambda d: d.update({"@context": "x"})),
    ),
    hides(
        "vex-inside-the-image",
        "whoever believes what an image says of itself",
        more=(
            images.Entry(
                "usr/share/vex/app.openvex.json",
                json.dumps(
                    {"statements": [{"vulnerability": {"name": "CVE-2026-900101"}, "status": "fixed"}]}
                ).encode(),
            ),
        ),
    ),
    differs(
        "vex-and-a-feed-that-is-stale",
        "whoever lets VEX clear the image instead of the finding",
        "feed_age",
        60 * 24.0,
        vex=Vex(),
        packages=VULNERABLE,
        codes="feed-stale",
    ),
]
