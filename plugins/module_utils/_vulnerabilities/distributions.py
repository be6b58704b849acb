# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The distributions that vulnerability data is read for: what they call themselves, and how their packages are known.

A distribution is only judged by its own data. AlmaLinux, Rocky Linux and Oracle Linux rebuild Red Hat's packages, but
number their builds themselves and fix earlier or later, so Red Hat's versions say nothing about theirs.
"""

from __future__ import annotations

import dataclasses
import re
import typing as t

from .._core.errors import InputError

if t.TYPE_CHECKING:
    from .._packages.model import Package
    from .model import FeedInfo

#: So much of what the vendor's own list names must be there. A list runs ahead of archives and mirrors.
LISTED_PERCENT = 90
_VERSION = re.compile(r"([0-9]{1,4})(?:\..*)?")

#: Key ids of Red Hat's signing keys: release keys 1999, 2006, 2 (2009) and 4 (2025, of OpenPGP version 6), auxiliary
#: keys 2006, 2018 and 3 (2022), beta keys. Source: access.redhat.com/security/team/key, and the STIG of RHEL 8 to 10.
RED_HAT_KEYS = frozenset(
    {
        "219180cddb42a60e",
        "5326810137017186",
        "199e2f91fd431d51",
        "fcd355b305707a62",
        "45689c882fa658e0",
        "f76f66c3d4082792",
        "5054e4a45a6340b3",
        "fd372689897da07a",
        "938a80caf21541eb",
    }
)


@dataclasses.dataclass(frozen=True)
class Distribution:
    """One distribution.

    ``ids``: ``ID`` of os-release; the first names it in options. ``vendors``: how the vendor text of its packages
    begins, lower case. ``keys``: last 16 hex digits of the keys that sign its packages. ``product``: the CPE of all its
    releases. ``tag``: finds the release that a package was built for (group 1) in the release of the package.
    ``split``: its packages are spread over several repositories, each with its own advisories.
    ``ecosystem``: its name in OSV records, empty where it has none. ``advisories``: how ids of its advisories begin.
    ``fewest``: format -> number of documents below which a feed is taken for a part of what the vendor publishes.
    """

    ids: tuple[str, ...]
    name: str
    vendors: tuple[str, ...]
    keys: frozenset[str]
    product: str
    tag: re.Pattern[str]
    ecosystem: str = ""
    advisories: tuple[str, ...] = ()
    split: bool = True
    fewest: t.Mapping[str, int] = dataclasses.field(default_factory=dict, hash=False)

    @property
    def id(self) -> str:
        """The name in options and in ``FeedInfo.distributions``."""
        return self.ids[0]

    def cpe(self, release: str) -> str:
        """The product of one release (``9``, ``42``, ``2023``), or of all with an empty text."""
        return f"{self.product}:{release}" if release else self.product

    def signed(self, package: Package) -> bool:
        """Return whether one of the distribution's keys signed the package."""
        return package.key_id.lower()[-16:] in self.keys

    def named(self, package: Package) -> bool:
        """Return whether the package's vendor text names the distribution, which anybody can write."""
        return package.vendor.strip().casefold().startswith(self.vendors)

    def release_of(self, package_release: str) -> str:
        """The release of the distribution that a package was built for; empty where its dist tag does not tell."""
        match = self.tag.search(package_release)
        return match[1] if match else ""


_ENTERPRISE_LINUX = re.compile(r"(?:^|[._+~^]|module[+_])el([0-9]{1,2})(?![0-9])")

RED_HAT = Distribution(
    ids=("rhel", "rhcos"),
    name="Red Hat Enterprise Linux",
    vendors=("red hat",),
    keys=RED_HAT_KEYS,
    product="cpe:/o:redhat:enterprise_linux",
    tag=_ENTERPRISE_LINUX,
    advisories=("RHSA-", "RHBA-", "RHEA-"),
    # changes.csv named 214,172 that were not taken back in July 2026 (vulnerability-lookup#468), and some 50,000 a year
    # before.
    fewest={"csaf-vex": 40_000},
)

# Keys: the vendors' own pages (almalinux.org/security, rockylinux.org/keys, yum.oracle.com, fedoraproject.org/security,
# docs.aws.amazon.com/linux) as quoted, and signatures of packages as shown, in public repositories: leapp-repository's
# and Uyuni's tables of vendor keys, and rpm listings of running systems.
ALMALINUX = Distribution(
    ids=("almalinux",),
    name="AlmaLinux",
    vendors=("almalinux",),
    keys=frozenset(
        {
            "488fcf7c3abb34f8",  # AlmaLinux 8, 2021
            "51d6647ec21ad6ea",  # its subkey, which signs
            "2ae81e8aced7258b",  # AlmaLinux 8, 2023
            "d36cb86cb86b3716",  # AlmaLinux 9
            "dee5c11cc2a1e572",  # AlmaLinux 10
        }
    ),
    product="cpe:/o:almalinux:almalinux",
    tag=_ENTERPRISE_LINUX,
    ecosystem="AlmaLinux",
    advisories=("ALSA-", "ALBA-", "ALEA-"),
    fewest={"osv": 4_000},  # AlmaLinux/osv-database has 6,157 for its three releases
)
ROCKY = Distribution(
    ids=("rocky",),
    name="Rocky Linux",
    vendors=("rocky",),
    keys=frozenset(
        {
            "15af5dac6d745a60",  # Rocky Linux 8
            "702d426d350d275d",  # Rocky Linux 9
            "5b106c736fedfc85",  # Rocky Linux 10
        }
    ),
    product="cpe:/o:rocky:rocky",
    tag=_ENTERPRISE_LINUX,
    ecosystem="Rocky Linux",
    advisories=("RLSA-", "RLBA-", "RLEA-", "RXSA-", "RXBA-", "RXEA-"),
    fewest={"osv": 1_000},  # its vendor tells no number; RLSA alone are more
)
ORACLE = Distribution(
    ids=("ol",),
    name="Oracle Linux",
    vendors=("oracle",),
    keys=frozenset(
        {
            "72f97b74ec551f03",  # Oracle Linux 6 and 7
            "82562ea9ad986da3",  # Oracle Linux 8
            "bc4d06a08d8b756f",  # Oracle Linux 9
            "a7dd07088b4efbe6",  # Oracle Linux 9, backup
        }
    ),
    product="cpe:/o:oracle:linux",
    tag=_ENTERPRISE_LINUX,
    advisories=("ELSA-", "ELBA-", "ELEA-"),
)
FEDORA = Distribution(
    ids=("fedora",),
    name="Fedora",
    vendors=("fedora project",),
    keys=frozenset(
        {
            "0727707ea15b79cc",  # Fedora 40
            "d0622462e99d6ad1",  # Fedora 41
            "c8ac4916105ef944",  # Fedora 42
            "829b606631645531",  # Fedora 43
            "dbfcf71c6d9f90a6",  # Fedora 44
            "655a4b02f577861e",  # Fedora 45
        }
    ),
    product="cpe:/o:fedoraproject:fedora",
    tag=re.compile(r"(?:^|[._+~^])fc([0-9]{1,3})(?![0-9])"),
    advisories=("FEDORA-",),
    split=False,  # one repository has all updates, and a package without any is in none that has advisories
)
AMAZON = Distribution(
    ids=("amzn",),
    name="Amazon Linux",
    vendors=("amazon",),
    keys=frozenset(
        {
            "11cf1f95c87f5b1a",  # Amazon Linux 2
            "e951904ad832c631",  # Amazon Linux 2023
        }
    ),
    product="cpe:/o:amazon:amazon_linux",
    tag=re.compile(r"(?:^|[._+~^])amzn([0-9]{1,4})(?![0-9])"),
    advisories=("ALAS",),
)
DISTRIBUTIONS = (RED_HAT, ALMALINUX, ROCKY, ORACLE, FEDORA, AMAZON)

_BY_ID: t.Mapping[str, Distribution] = {name: one for one in DISTRIBUTIONS for name in one.ids}


def release_of(version_id: str) -> str:
    """The release that a ``VERSION_ID`` belongs to: ``9`` of ``9.4``; empty where it is not a number."""
    match = _VERSION.fullmatch(version_id)
    return match[1] if match else ""


def distribution_of(os_id: str) -> Distribution | None:
    """The distribution with this ``ID`` of os-release; None for one that no data is read for."""
    return _BY_ID.get(os_id)


def fewest_documents(feed: FeedInfo) -> int:
    """Number of documents below which a feed is taken for a part of what its vendor publishes; 0 where none is known.

    The most that follows from the vendor (``Distribution.fewest``) and from the vendor's own list, where the source had
    one. Repositories (``updateinfo``) have no number: their own index names all their files, and what is missing is a
    whole repository, which the judge finds by the packages in it.
    """
    vendors = {vendor.id: vendor for name in feed.distributions if (vendor := _BY_ID.get(name)) is not None}
    stated = sum(vendor.fewest.get(feed.format, 0) for vendor in vendors.values())
    return max(stated, -(-feed.listed * LISTED_PERCENT // 100))


def distribution_of_product(cpe: str) -> Distribution | None:
    """The distribution that a product of a feed of advisories is a release of."""
    for distribution in DISTRIBUTIONS:
        if cpe == distribution.product or cpe.startswith(distribution.product + ":"):
            return distribution
    return None


def ecosystem_of(text: str) -> tuple[Distribution, str] | None:
    """Distribution and release of an OSV ecosystem (``AlmaLinux:9``), the release empty where it names none.

    None for ecosystems of others. Raises InputError for a release of ours that is not understood.
    """
    name, _colon, version = text.partition(":")
    owner = next((distribution for distribution in DISTRIBUTIONS if name and distribution.ecosystem == name), None)
    if owner is None:
        return None
    release = release_of(version.partition(":")[0])
    if version and not release:
        raise InputError(f"{ascii(text)[:80]} is not like {name}:9")
    return owner, release


def parse_distribution(text: str) -> tuple[Distribution, str]:
    """Read an option like ``rocky:9``. Raises InputError, which says what there is."""
    name, colon, version = text.strip().partition(":")
    distribution = _BY_ID.get(name.casefold())
    release = release_of(version)
    if distribution is None or distribution is RED_HAT or not colon or not release:
        choices = ", ".join(choice.id for choice in DISTRIBUTIONS if choice is not RED_HAT)
        problem = f"the distribution {ascii(text)[:80]} is not known" if text else "no distribution is given"
        raise InputError(
            f"{problem}; expected one of {choices}, a colon and its release",
            hint="for example rocky:9, ol:8, fedora:42 or amzn:2023",
        )
    return distribution, release
