# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parts of an image that a feed covers: its distribution and release, and which packages are the distribution's own.

Data that is not about the very release and architecture of an image looks like data that finds nothing. Red Hat names
products, which an image has by its repositories; the others only have releases, which os-release tells.
"""

from __future__ import annotations

import collections
import itertools
import re
import typing as t

from ..._images.model import Problem
from ..._packages.model import Inventory, Package
from ..._packages.table import feeds_of
from ..cpes import parse_cpe
from ..distributions import DISTRIBUTIONS, RED_HAT, Distribution, distribution_of, release_of
from ..index.form import Group
from ..model import AppliedCpe, FeedInfo

#: What the feed says of a package: (number of the vulnerability, groups with their architectures).
Groups = t.Sequence[tuple[int, t.Sequence[tuple[Group, frozenset[str]]]]]

_ANY_ARCH = frozenset({"*", "noarch"})
_SOURCE_ONLY = frozenset({"src"})
_SHOWN = 5
_MINOR = re.compile(r"([0-9]{1,3})\.([0-9]{1,3})")


def names_known(meta: t.Mapping[str, t.Any]) -> frozenset[str] | None:
    """Names of all packages of the repositories that an index was made of; None where it was not made of any."""
    feed = meta.get("feed")
    names = feed.get("package_names") if isinstance(feed, dict) else None
    return frozenset(map(str, names)) if isinstance(names, list) else None


class Scope:
    """One image and one feed. ``package_names``: see ``names_known``."""

    def __init__(
        self,
        inventory: Inventory,
        info: FeedInfo,
        products: t.Sequence[tuple[str, str]],
        package_names: frozenset[str] | None = None,
    ) -> None:
        self.inventory = inventory
        self.format = info.format
        self.products = products
        self.package_names = package_names
        self.speaks_for = [
            distribution for distribution in DISTRIBUTIONS if set(distribution.ids) & set(info.distributions)
        ]
        self.distribution = self._distribution()
        #: Release of a distribution that has releases alone; empty for Red Hat's, and where it is not known.
        self.release = ""
        if self.distribution is not None and self.distribution is not RED_HAT:
            self.release = release_of(inventory.os.version_id)

    def _distribution(self) -> Distribution | None:
        """The image's distribution, if the feed is about it."""
        os = self.inventory.os
        own = distribution_of(os.id)
        if own is None and RED_HAT in self.speaks_for:
            cpe = parse_cpe(os.cpe_name)
            if not os.id or (cpe is not None and cpe.vendor == "redhat"):
                own = RED_HAT
        return own if own in self.speaks_for else None

    @property
    def minor_release(self) -> tuple[int, int] | None:
        """Major and minor of Red Hat Enterprise Linux by os-release; None for other systems, and where it has none."""
        os = self.inventory.os
        match = _MINOR.fullmatch(os.version_id)
        return (int(match[1]), int(match[2])) if match and os.id == "rhel" else None

    @property
    def builder(self) -> Distribution:
        """Whose packages are looked for; where the feed is not about the image, those that it is about."""
        return self.distribution or (self.speaks_for or [RED_HAT])[0]

    def supported(self, covered: t.Sequence[Package]) -> bool:
        """Return whether the feed is about the image at all.

        A feed of fixes that has none for a release does not know it: one that is too old, or no longer maintained.
        """
        if self.format not in feeds_of(self.inventory.kind) or self.distribution is None:
            return False
        if self.distribution is RED_HAT:
            return bool(self.inventory.os.id or covered)
        return bool(self.release and self._own_products())

    def cpes(self) -> list[AppliedCpe]:
        """The product that os-release tells; none for Red Hat, where repositories do."""
        if self.distribution is None or not self.release:
            return []
        return [AppliedCpe(self.distribution.cpe(self.release), "os_release")]

    def _own_products(self) -> frozenset[int]:
        """Numbers of the feed's products that the image has."""
        if self.distribution is None:
            return frozenset()
        own = {self.distribution.cpe(self.release), self.distribution.cpe("")}
        return frozenset(number for number, (cpe, _name) in enumerate(self.products) if cpe in own)

    def problems(self, covered: t.Sequence[Package], groups: t.Callable[[str], Groups]) -> t.Iterator[Problem]:
        """Packages that the feed may be right about for another release or architecture alone, or knows nothing of."""
        if self.distribution is None or not self.release or not self.supported(covered):
            return
        own = self._own_products()
        built_for = {package: self.distribution.release_of(package.release) for package in covered}
        usual = dict(collections.Counter(filter(None, built_for.values())).most_common(1))
        name = f"{self.distribution.name} {self.release}"
        texts = {
            "release-mismatch": f"built for another release than {name}, which the image is by its os-release",
            "feed-architecture": "named by the vulnerability data for other architectures alone",
            "feed-repositories": "in none of the repositories that the vulnerability data is of",
            "feed-release": f"fixed by builds for other releases alone in what is said to be about {name}",
        }
        nevras: dict[str, list[str]] = {code: [] for code in texts}
        for package, release in built_for.items():
            statements = groups(package.name)
            codes = self._origin_codes(package, release, statements, is_usual=release in usual)
            for code in itertools.chain(codes, self._fix_codes(package, _said_of(statements, own))):
                nevras[code].append(package.nevra)
        for code, packages in nevras.items():
            if packages:
                text = f"{len(packages)} packages are {texts[code]}: what holds for them was not seen: {few(packages)}"
                yield Problem(code, text)

    def _origin_codes(self, package: Package, release: str, statements: Groups, *, is_usual: bool) -> t.Iterator[str]:
        """Codes of the problems with where a package is from. ``is_usual``: most packages are built for its release."""
        distribution = t.cast(Distribution, self.distribution)
        if distribution.split and self.package_names is not None and package.name not in self.package_names:
            yield "feed-repositories"
        if release not in ("", self.release) and (
            is_usual or _is_about(statements, self.products, distribution.cpe(release))
        ):
            yield "release-mismatch"

    def _fix_codes(self, package: Package, statements: t.Sequence[tuple[Group, frozenset[str]]]) -> t.Iterator[str]:
        """Codes of the problems with what is said of a package for the image's own products."""
        arches = {arch for _group, arches in statements for arch in arches}
        if arches and package.arch != "noarch" and not arches & {package.arch, *_ANY_ARCH}:
            yield "feed-architecture"
        distribution = t.cast(Distribution, self.distribution)
        releases = {distribution.release_of(group.evr) for group, _arches in statements if group.evr}
        if releases and not releases & {"", self.release}:
            yield "feed-release"


def few(names: t.Sequence[str]) -> str:
    """The first of some names, for messages."""
    return ", ".join(names[:_SHOWN]) + (" …" if len(names) > _SHOWN else "")


def _said_of(statements: Groups, products: frozenset[int]) -> list[tuple[Group, frozenset[str]]]:
    """Groups about one of some products, and not about source packages alone."""
    return [
        (group, arches)
        for _number, groups in statements
        for group, arches in groups
        if arches != _SOURCE_ONLY and products.intersection(group.products)
    ]


def _is_about(statements: Groups, products: t.Sequence[tuple[str, str]], cpe: str) -> bool:
    """Return whether anything is said for one product."""
    return any(
        products[number][0] == cpe
        for _number, groups in statements
        for group, _on in groups
        for number in group.products
    )
