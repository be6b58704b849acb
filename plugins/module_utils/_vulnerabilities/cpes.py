# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which statements' products an image has: CPEs and how they are compared.

CPEs are compared by vendor, product and version. The part (``a``, ``o``) and the channel (``baseos``, ``appstream``)
do not count: the two Red Hat feeds disagree about both. Red Hat Enterprise Linux and its update streams (EUS, AUS …)
form one family; every other product is a family of its own. The version of a statement may have wildcards
(``cpe_versions``).
"""

from __future__ import annotations

import dataclasses
import functools
import re
import typing as t
import urllib.parse

from .cpe_versions import exactness, has_wildcard, is_sound, is_whole_major, matches, matches_exactly
from .model import AppliedCpe

#: The family of ``enterprise_linux`` and of its update streams.
RHEL = "enterprise_linux"

_STREAM = re.compile(r"(?:rhel|enterprise_linux)_((?:eus|aus|tus|e4s|els|eeus)(?:_long_life)?)")
_EDITION = re.compile(r"el([0-9]{1,3})")
_NUMBER = re.compile(r"[0-9]{1,3}")
_QUOTED = re.compile(r"\\(.)")
_ENCODED = re.compile(r"%(..)")


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
        minor = self.version.partition(".")[2]
        return int(minor) if self.family == RHEL and _NUMBER.fullmatch(minor) else None

    @property
    def specificity(self) -> int:
        """The higher, the more precisely the CPE says which product it means."""
        return exactness(self.version) + bool(self.edition or self.channel) + bool(self.stream)


@functools.lru_cache(maxsize=65536)
def parse_cpe(text: str) -> Cpe | None:
    """Read a CPE 2.2 URI or a CPE 2.3 formatted string; None for anything else, and for one without a product.

    Only the version may have wildcards: of Enterprise Linux only its minor, of its update streams none.
    """
    fields = _fields_of(text)
    return _cpe_of(fields) if fields is not None else None


def _cpe_of(fields: t.Sequence[str]) -> Cpe | None:
    vendor, product, version, _update, edition = fields
    if not vendor or not product or not is_sound(version) or any(map(has_wildcard, (vendor, product, edition))):
        return None
    match = _STREAM.fullmatch(product)
    edition, channel = (edition, "") if _EDITION.fullmatch(edition) else ("", edition)
    cpe = Cpe(vendor, product, version, edition, channel, match[1] if match else "")
    return None if has_wildcard(version) and _needs_version(cpe) else cpe


def _needs_version(cpe: Cpe) -> bool:
    """Return whether a version, or its major at least, must be told: of Enterprise Linux and its update streams."""
    return cpe.family == RHEL and bool(cpe.stream or not cpe.major)


def _fields_of(text: str) -> list[str] | None:
    """The first five fields behind the part, in lower case; ``*`` and ``?`` are wildcards, and none is quoted."""
    if text.startswith("cpe:2.3:"):
        fields = [_QUOTED.sub(_literal, field) for field in re.split(r"(?<!\\):", text)[3:]]
    elif text.startswith("cpe:/"):
        fields = [_decoded(field) for field in text[len("cpe:/") :].split(":")[1:]]
    else:
        return None
    fields = ["" if field in ("*", "-") else field.strip().lower() for field in fields]
    return (fields + [""] * 5)[:5]


def _decoded(field: str) -> str:
    """A field of a URI, where ``%01`` and ``%02`` are wildcards. Encoded, ``*`` and ``?`` are none."""
    if "%" not in field:
        return field
    return "".join(
        {"01": "?", "02": "*"}.get(part) or _as_literal(urllib.parse.unquote(f"%{part}"))
        if place % 2
        else urllib.parse.unquote(part)
        for place, part in enumerate(_ENCODED.split(field))
    )


def _literal(match: re.Match[str]) -> str:
    return _as_literal(match[1])


def _as_literal(character: str) -> str:
    """A character that is not a wildcard. No version has one of these; what is not printable is not sound."""
    return "\x00" if character in ("*", "?") else character


@functools.lru_cache(maxsize=65536)
def _own_cpe(text: str) -> Cpe | None:
    """The CPE of an image. Where the version cannot be read, the image may have any."""
    fields = _fields_of(text)
    if fields is None:
        return None
    return _cpe_of(fields) or _cpe_of([*fields[:2], "", *fields[3:]])


@dataclasses.dataclass(frozen=True)
class Relation:
    """Relation of a statement's product to an image.

    ``applies``: the image has that product. ``clears``: so exactly, and no other version that it may have, that "not
    affected" may be believed.
    ``available``: its fixes can be installed there. Where it does not apply, it is an update stream of the same Red Hat
    Enterprise Linux: its fixed builds contain the fix wherever they were installed from.
    Equal for products with one CPE, whatever its part.
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
    version: str = ""


class ImageProducts:
    """The products of one image."""

    def __init__(self, cpes: t.Iterable[str]) -> None:
        self.cpes = [cpe for cpe in map(_own_cpe, cpes) if cpe is not None]
        self.rhel = [cpe for cpe in self.cpes if cpe.family == RHEL]
        self.majors = {cpe.major for cpe in self.cpes if cpe.major}
        self.by_product: dict[tuple[str, str], list[Cpe]] = {}
        for cpe in self.cpes:
            self.by_product.setdefault((cpe.vendor, cpe.product), []).append(cpe)

    def relate(self, text: str) -> Relation | None:
        """Relate a statement's CPE to the image; None when it says nothing about it."""
        cpe = parse_cpe(text)
        if cpe is None:
            return None
        if cpe.family == RHEL:
            return self._relate_rhel(cpe)
        own = filter(functools.partial(self._may_be_for, cpe), self.by_product.get((cpe.vendor, cpe.product), ()))
        versions = [_compared(cpe.version, product.version) for product in own]
        if not any(may_be for may_be, _is in versions):
            return None
        # A repository may stand for several versions: of each that the image may have.
        return _relation(cpe, applies=True, clears=all(is_version for _may_be, is_version in versions), available=True)

    def _may_be_for(self, cpe: Cpe, own: Cpe) -> bool:
        """Return whether a statement's product may be for the Enterprise Linux of one of the image's."""
        if not cpe.edition:
            return True
        if own.edition:
            return cpe.edition == own.edition
        return not self.majors or cpe.major in self.majors

    def _relate_rhel(self, cpe: Cpe) -> Relation | None:
        own = [product for product in self.rhel if _is_of_release(product, cpe)]
        if not own or (not cpe.major and cpe.version):
            return None
        if cpe.stream:
            has = (cpe.stream, cpe.version) in {(product.stream, product.version) for product in own}
            # Extended life (no minor) continues the main stream: what it fixes is broken in the main stream.
            return _relation(cpe, applies=has or cpe.minor is None, clears=has, available=has)
        # Who has an update stream has the main stream too; fixes of any minor concern every later one.
        return _relation(cpe, applies=True, clears=_is_every(cpe) or _is_each(cpe.version, own), available=True)


def _is_of_release(own: Cpe, cpe: Cpe) -> bool:
    """Return whether an image's product is of the Enterprise Linux of a statement's, or that is not told."""
    return own.vendor == cpe.vendor and cpe.major in (0, own.major)


def _compared(version: str, own: str) -> tuple[bool, bool]:
    """Return whether an image's version of a product may be the one of a statement, and whether it surely is."""
    if has_wildcard(version) or has_wildcard(own):
        return matches(version, own), not version or matches_exactly(version, own)
    if not version or own == version or own.startswith(version + "."):
        return True, True
    # The image may not say which of them it has.
    return not own or version.startswith(own + "."), False


def _is_every(cpe: Cpe) -> bool:
    """Return whether all minor releases of an Enterprise Linux are meant."""
    return cpe.minor is None and (not has_wildcard(cpe.version) or is_whole_major(cpe.version))


def _is_each(version: str, own: t.Iterable[Cpe]) -> bool:
    """Return whether the image has main streams, and the version of each of them is the one of a statement."""
    main = [product.version for product in own if not product.stream]
    return bool(main) and all(matches_exactly(version, installed) for installed in main)


def _relation(cpe: Cpe, *, applies: bool, clears: bool, available: bool) -> Relation:
    """The relation of a product; its minor release counts for Enterprise Linux alone."""
    return Relation(
        cpe.family,
        cpe.specificity,
        cpe.major,
        cpe.minor,
        cpe.stream,
        applies,
        clears,
        available,
        channel=cpe.channel,
        version=cpe.version,
    )


def assumed_cpes(version_id: str, cpe_name: str) -> list[AppliedCpe]:
    """Assume the CPEs of an image of Red Hat Enterprise Linux that names none: its main channels.

    ``version_id``: of Enterprise Linux; ``cpe_name``: of os-release. From version 10 on the CPE has the minor in it.
    """
    cpes: list[str] = []
    version = re.match(r"([0-9]{1,3})(?:\.([0-9]{1,3}))?", version_id)
    if version:
        major, minor = version[1], version[2]
        if int(major) >= 10:
            cpes.append(f"cpe:/o:redhat:enterprise_linux:{major}.{minor}" if minor else f"cpe:/o:redhat:{RHEL}:{major}")
        else:
            cpes.extend(
                f"cpe:/{part}:redhat:enterprise_linux:{major}::{channel}"
                for part, channel in (("o", "baseos"), ("a", "appstream"), ("a", "crb"))
            )
    own = parse_cpe(cpe_name)
    if own is not None and own.vendor == "redhat" and own.family != RHEL:
        cpes.append(cpe_name)
    return [AppliedCpe(cpe, "assumed") for cpe in cpes]
