# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which statements' products an image has: CPEs and how they are compared.

CPEs are compared by vendor, product and version. The part (``a``, ``o``) and the channel (``baseos``, ``appstream``)
do not count: the two Red Hat feeds disagree about both. Red Hat Enterprise Linux and its update streams (EUS, AUS …)
form one family; every other product is a family of its own.
"""

from __future__ import annotations

import dataclasses
import functools
import re
import typing as t
import urllib.parse

from .model import AppliedCpe

#: The family of ``enterprise_linux`` and of its update streams.
RHEL = "enterprise_linux"

_STREAM = re.compile(r"(?:rhel|enterprise_linux)_((?:eus|aus|tus|e4s|els|eeus)(?:_long_life)?)")
_EDITION = re.compile(r"el([0-9]{1,3})")
_NUMBER = re.compile(r"[0-9]{1,3}")
_FORMATTED = re.compile(r"\\(.)")


@dataclasses.dataclass(frozen=True)
class Cpe:
    """The fields that matter. ``stream``: kind of update stream (``eus`` …) or empty. ``edition``: ``el9`` … or empty.

    ``channel``: whatever else stands in the edition's place.
    """

    vendor: str
    product: str
    version: str
    edition: str
    channel: str
    stream: str

    @property
    def family(self) -> str:
        """``enterprise_linux`` for it and its update streams, else the product."""
        return RHEL if self.stream else self.product

    @property
    def major(self) -> int:
        """Major version of the Enterprise Linux it is for; 0 when the CPE does not tell."""
        text = self.version.partition(".")[0] if self.family == RHEL else self.edition[2:]
        return int(text) if _NUMBER.fullmatch(text) else 0

    @property
    def minor(self) -> int | None:
        """Minor version of a Red Hat Enterprise Linux CPE that has one."""
        rest = self.version.partition(".")[2]
        return int(rest) if self.family == RHEL and _NUMBER.fullmatch(rest) else None

    @property
    def specificity(self) -> int:
        """The higher, the more precisely the CPE says which product it means."""
        rank = 0 if not self.version else 1 + self.version.count(".")
        return rank + bool(self.edition or self.channel) + bool(self.stream)


@functools.lru_cache(maxsize=65536)
def parse_cpe(text: str) -> Cpe | None:
    """Read a CPE 2.2 URI or a CPE 2.3 formatted string; None for anything else, and for one without a product."""
    if text.startswith("cpe:2.3:"):
        fields = [_FORMATTED.sub(r"\1", field) for field in re.split(r"(?<!\\):", text)[3:]]
    elif text.startswith("cpe:/"):
        fields = [urllib.parse.unquote(field) for field in text[len("cpe:/") :].split(":")[1:]]
    else:
        return None
    fields = ["" if field in ("*", "-") else field.strip().lower() for field in fields]
    vendor, product, version, _update, edition = (fields + [""] * 5)[:5]
    if not vendor or not product:
        return None
    match = _STREAM.fullmatch(product)
    is_edition = bool(_EDITION.fullmatch(edition))
    return Cpe(
        vendor,
        product,
        version,
        edition if is_edition else "",
        "" if is_edition else edition,
        match[1] if match else "",
    )


@dataclasses.dataclass(frozen=True)
class Relation:
    """How a statement's product relates to an image.

    ``applies``: the image has that product. ``clears``: so exactly, and no other version that it may have, that "not
    affected" may be believed.
    ``available``: its fixes can be installed there. Where it does not apply, it is an update stream of the same Red Hat
    Enterprise Linux: its fixed builds contain the fix wherever they were installed from.
    """

    family: str
    specificity: int
    major: int
    minor: int | None
    stream: str
    applies: bool
    clears: bool
    available: bool
    channel: str = ""


class ImageProducts:
    """The products of one image."""

    def __init__(self, cpes: t.Iterable[str]) -> None:
        self.cpes = [cpe for cpe in map(parse_cpe, cpes) if cpe is not None]
        self.rhel = [cpe for cpe in self.cpes if cpe.family == RHEL]
        self.majors = {cpe.major for cpe in self.cpes if cpe.major}
        self.by_product: dict[tuple[str, str], list[Cpe]] = {}
        for cpe in self.cpes:
            self.by_product.setdefault((cpe.vendor, cpe.product), []).append(cpe)

    def relate(self, text: str) -> Relation | None:
        """How a statement's CPE relates to the image; None when it says nothing about it."""
        cpe = parse_cpe(text)
        if cpe is None:
            return None
        if cpe.family == RHEL:
            return self._relate_rhel(cpe)
        applies = False
        clears = True  # a repository may stand for several versions: of each that the image may have
        for own in self.by_product.get((cpe.vendor, cpe.product), ()):
            if cpe.edition and own.edition and cpe.edition != own.edition:
                continue
            if cpe.edition and not own.edition and self.majors and cpe.major not in self.majors:
                continue
            if not cpe.version or own.version == cpe.version or own.version.startswith(cpe.version + "."):
                applies = True
            else:
                clears = False
                # The image does not say which of them it has.
                applies = applies or not own.version or cpe.version.startswith(own.version + ".")
        if not applies:
            return None
        return Relation(
            cpe.family,
            cpe.specificity,
            cpe.major,
            None,
            "",
            applies,
            clears,
            applies,
            channel=cpe.channel,
        )

    def _relate_rhel(self, cpe: Cpe) -> Relation | None:
        own = [other for other in self.rhel if other.vendor == cpe.vendor and cpe.major in (0, other.major)]
        if not own or (not cpe.major and cpe.version):
            return None
        if cpe.stream:
            has = any(other.stream == cpe.stream and other.version == cpe.version for other in own)
            # Extended life (no minor) continues the main stream: what it fixes is broken in the main stream.
            applies = has or cpe.minor is None
            clears = available = has
        else:
            # Who has an update stream has the main stream too; fixes of any minor concern every later one.
            applies = available = True
            main = [other.version for other in own if not other.stream]
            clears = cpe.minor is None or (bool(main) and all(version == cpe.version for version in main))
        return Relation(
            RHEL,
            cpe.specificity,
            cpe.major,
            cpe.minor,
            cpe.stream,
            applies,
            clears,
            available,
            channel=cpe.channel,
        )


def assumed_cpes(version_id: str, cpe_name: str) -> list[AppliedCpe]:
    """What an image of Red Hat Enterprise Linux has when nothing in it says so: its main channels.

    ``version_id``: of Enterprise Linux; ``cpe_name``: of os-release. From version 10 on the CPE has the minor in it.
    """
    found: list[str] = []
    version = re.match(r"([0-9]{1,3})(?:\.([0-9]{1,3}))?", version_id)
    if version:
        major, minor = version[1], version[2]
        if int(major) >= 10:
            found.append(
                f"cpe:/o:redhat:enterprise_linux:{major}.{minor}" if minor else f"cpe:/o:redhat:{RHEL}:{major}"
            )
        else:
            found.extend(
                f"cpe:/{part}:redhat:enterprise_linux:{major}::{channel}"
                for part, channel in (("o", "baseos"), ("a", "appstream"), ("a", "crb"))
            )
    own = parse_cpe(cpe_name)
    if own is not None and own.vendor == "redhat" and own.family != RHEL:
        found.append(cpe_name)
    return [AppliedCpe(cpe, "assumed") for cpe in found]
