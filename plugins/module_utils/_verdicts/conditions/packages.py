# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``not_covered`` and ``accept_vendors``: packages that the vulnerability data does not cover."""

from __future__ import annotations

import dataclasses
import typing as t

from ..._core.text import visible
from ..._packages.table import feeds_of
from ..._vulnerabilities.model import Coverage
from ..documents import Field, hexadecimal
from ..model import Reason
from ..wording import NAMES_SHOWN, counted
from .base import Case, Code, Condition, Reasons, Step, Terms

_NOT_COVERED = """\

  # Packages that the vulnerability data does not cover (built by somebody else): inconclusive or fail, unless the key
  # that signed them is accepted. A vendor text alone can be written by anybody; what it accepts is reported as a guess.
  not_covered: inconclusive
"""
_VENDORS = """\
  accept_vendors: []
  #  - {key_id: 21ea45ab2f86d6a1, comment: EPEL 8}
  #  - {fingerprint: ff8ad1344597106ece813b918a3872bf3228467c, comment: EPEL 9}
  #  - {vendor: Example Ltd}
"""
CODES: t.Mapping[str, Code] = {
    "packages-forbidden": Code(
        "failed",
        "Packages are there that the vulnerability data does not cover, and the policy forbids them.",
        "Remove them, or accept the key that signed them under 'accept_vendors'.",
    ),
    "packages-not-covered": Code(
        "inconclusive",
        "Packages are there that the vulnerability data does not cover.",
        "Examine them in another way, or accept the key that signed them under 'accept_vendors'.",
    ),
    "vendor-guessed": Code(
        "note",
        "Packages are accepted by the vendor text in their header alone, which anybody can write.",
        "Accept the vendor's key instead of the text.",
    ),
}


@dataclasses.dataclass(frozen=True)
class AcceptedVendor:
    """Whose packages may be there although the feed does not cover them. ``key_id``: 16 hex digits or empty."""

    key_id: str = ""
    vendor: str = ""
    comment: str = ""


@dataclasses.dataclass(frozen=True, init=False, repr=False, eq=False)
class PackageTerms(Terms):
    """Terms for packages that are not covered, and accepted vendors."""

    not_covered: str = "inconclusive"
    accept_vendors: tuple[AcceptedVendor, ...] = ()


def _parse_action(field: Field) -> dict[str, t.Any]:
    return {"not_covered": field.choice(("inconclusive", "fail"), "what to do about packages that are not covered")}


def _parse_vendors(field: Field) -> dict[str, t.Any]:
    vendors = []
    for child in field.items("a list of vendors"):
        fields = child.mapping(("key_id", "fingerprint", "vendor", "comment"), "key_id, fingerprint or vendor")
        texts = {key: value.text() for key, value in fields.items()}
        if not {"key_id", "fingerprint", "vendor"} & set(texts):
            raise child.error("expected key_id, fingerprint or vendor")
        if {"key_id", "fingerprint"} <= set(texts):
            raise child.error("give key_id or fingerprint, not both")
        key_id = texts.get("key_id", "")
        if key_id:
            key_id = hexadecimal(fields["key_id"], (16,), "the 16 hexadecimal digits of a key id")
        elif "fingerprint" in texts:
            digits = hexadecimal(fields["fingerprint"], (40, 64), "the 40 (or 64) hexadecimal digits of a fingerprint")
            # RFC 9580, 5.5.4: the id is the low end of a version 4 fingerprint, and the high end of a version 6 one.
            key_id = digits[-16:] if len(digits) == 40 else digits[:16]
        vendors.append(AcceptedVendor(key_id, texts.get("vendor", ""), texts.get("comment", "")))
    return {"accept_vendors": tuple(vendors)}


def _reasons(policy: PackageTerms, case: Case) -> Reasons:
    if case.data is None or not feeds_of(case.inventory.kind) or not case.data.match.supported:
        return
    match = case.data.match
    packages = sorted(match.not_covered, key=lambda package: (package.package, package.key_id, package.vendor))
    by_vendor: dict[str, list[Coverage]] = {"key": [], "vendor": [], "": []}
    for package in packages:
        # The surest way counts, and "key" is the first of the alphabet.
        ways = sorted(filter(None, {accepts(vendor, package) for vendor in policy.accept_vendors}))
        by_vendor[next(iter(ways), "")].append(package)
    guessed, uncovered = by_vendor["vendor"], by_vendor[""]
    by_name = match.counts.get("vendor_by_name", 0)
    if by_name:
        text = f"{counted(by_name, 'package')} taken as the distribution's own by the vendor text alone"
        yield Reason("vendor-guessed", f"{text}, without a signature of its keys")
    if guessed:
        text = f"{counted(len(guessed), 'package')} accepted by the vendor text alone: {_shown(guessed)}"
        yield Reason("vendor-guessed", text)
    if uncovered:
        forbidden = policy.not_covered == "fail"
        text = f"{counted(len(uncovered), 'package')} that the vulnerability data does not cover: {_shown(uncovered)}"
        yield Reason(
            "packages-forbidden" if forbidden else "packages-not-covered",
            f"{text}; the policy '{policy.name}' {'forbids them' if forbidden else 'accepts no such key'}",
        )


def accepts(vendor: AcceptedVendor, package: Coverage) -> str:
    """``key`` or ``vendor``, by which a policy's entry accepts a package; empty where it does not."""
    if vendor.vendor and vendor.vendor.casefold() != package.vendor.casefold():
        return ""
    if not vendor.key_id:
        return "vendor"
    return "key" if vendor.key_id == package.key_id.lower() else ""


def _shown(packages: t.Sequence[Coverage]) -> str:
    texts = []
    for package in packages[:NAMES_SHOWN]:
        signed = f"key {visible(package.key_id, 40)}" if package.key_id else "not signed"
        texts.append(f"{visible(package.package, 120)} ({visible(package.vendor, 60) or 'no vendor'}, {signed})")
    hidden_count = len(packages) - NAMES_SHOWN
    return ", ".join(texts) + (f" and {hidden_count} more" if hidden_count > 0 else "")


NOT_COVERED = Condition("not_covered", _NOT_COVERED, _parse_action, CODES, {Step.COVERAGE: _reasons})
ACCEPT_VENDORS = Condition("accept_vendors", _VENDORS, _parse_vendors)
